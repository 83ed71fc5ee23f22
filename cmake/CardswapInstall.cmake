# install() and export() of what another project uses: find_package(cardswap).
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cardswap)

set(exported cardswap_runtime cardswap_engine cardswap_migrator cardswap_build_flags)
if(CARDSWAP_TORCH)
  list(APPEND exported cardswap_torch)
endif()
if(CARDSWAP_TORCH_USES_CUDA)
  list(APPEND exported cardswap_torch_cuda cardswap_cudart cardswap_kernels cardswap_cuda)
endif()
install(TARGETS ${exported} EXPORT cardswapTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT cardswapTargets NAMESPACE cardswap:: DESTINATION ${config_dir})
install(DIRECTORY runtime/include/cardswap DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(cmake/cardswapConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/cardswapConfig.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/cardswapConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cardswapConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/cardswapConfigVersion.cmake cmake/FindCardswapTorch.cmake
  DESTINATION ${config_dir})
if(CARDSWAP_AGENT)
  install(TARGETS cardswapd cardswap cardswap-init cardswap-holder COMPONENT agent)
  foreach(page cardswap.1 cardswapd.8)
    set(VERSION ${PROJECT_VERSION})
    configure_file(docs/man/${page} ${CMAKE_CURRENT_BINARY_DIR}/man/${page} @ONLY)
    string(REGEX REPLACE ".*\\." "" section ${page})
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/man/${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section}
      COMPONENT agent)
  endforeach()
endif()
