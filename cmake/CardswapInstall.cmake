# install() and export() of what another project uses: find_package(cardswap).
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cardswap)

set(exported cardswap_runtime cardswap_engine cardswap_store cardswap_migrator cardswap_build_flags)
if(CARDSWAP_TORCH)
  list(APPEND exported cardswap_torch)
endif()
if(CARDSWAP_TORCH_USES_CUDA)
  list(APPEND exported cardswap_torch_cuda cardswap_cudart cardswap_kernels cardswap_cuda)
endif()
install(TARGETS ${exported} EXPORT cardswapTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
set_target_properties(cardswap_c PROPERTIES EXPORT_NAME c)
install(TARGETS cardswap_c EXPORT cardswapTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT cardswapTargets NAMESPACE cardswap:: DESTINATION ${config_dir})
install(DIRECTORY runtime/include/cardswap DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(cmake/cardswapConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/cardswapConfig.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/cardswapConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cardswapConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/cardswapConfigVersion.cmake cmake/FindCardswapTorch.cmake cmake/FindCardswapUcx.cmake
  DESTINATION ${config_dir})
if(CARDSWAP_AGENT)
  install(TARGETS cardswapd cardswap cardswap-init cardswap-holder cardswap-keeper COMPONENT agent)
  # docs/ has the words, once; a page of another shape ends the build.
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(man ${CMAKE_CURRENT_BINARY_DIR}/man)
  add_custom_command(OUTPUT ${man}/cardswap.1 ${man}/cardswapd.8
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/scripts/man_pages.py --version ${PROJECT_VERSION} --out ${man}
    DEPENDS scripts/man_pages.py docs/cli.md docs/cardswapd.md COMMENT "Manual pages" VERBATIM)
  add_custom_target(man_pages ALL DEPENDS ${man}/cardswap.1 ${man}/cardswapd.8)
  install(FILES ${man}/cardswap.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT agent)
  install(FILES ${man}/cardswapd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 COMPONENT agent)
endif()
