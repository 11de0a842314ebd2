find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED) # before Paho, whose Debian package names it without looking for it
find_package(eclipse-paho-mqtt-c REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4.1)
find_program(PROTOC_C NAMES protoc-c protoc-gen-c REQUIRED)
