install(TARGETS weft_core weft_proto ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET weft_bridge)
    install(TARGETS weft_bridge ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(DIRECTORY core/include/weft bridge/include/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY proto/weft DESTINATION ${CMAKE_INSTALL_DATADIR}/weft/proto FILES_MATCHING PATTERN "*.proto")

configure_file(${CMAKE_SOURCE_DIR}/cmake/weft.pc.in ${CMAKE_BINARY_DIR}/weft.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
