# C code from proto/, made in the build tree and never committed.
set(proto_out ${CMAKE_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${proto_out})
file(GLOB proto_files CONFIGURE_DEPENDS proto/weft/v1/*.proto)
set(proto_sources)
foreach(file ${proto_files})
    get_filename_component(name ${file} NAME_WE)
    set(out ${proto_out}/weft/v1/${name}.pb-c)
    add_custom_command(OUTPUT ${out}.c ${out}.h
        COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/proto --c_out=${proto_out} ${file}
        DEPENDS ${proto_files} VERBATIM)
    list(APPEND proto_sources ${out}.c)
endforeach()
add_library(weft_proto STATIC ${proto_sources})
target_include_directories(weft_proto SYSTEM PUBLIC ${proto_out})
target_link_libraries(weft_proto PUBLIC PkgConfig::PROTOBUF_C)
