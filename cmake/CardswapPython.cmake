# The component "python": what a wheel holds, as it lies beside other packages. Whole: what its programs load and
# not every machine has comes along, and is found by where they are.
#   cardswap.pth    imports the package in an agent's jobs
#   cardswap/       the package, and libcardswap_c.so
#   cardswap/bin/   cardswapd, cardswap, and what the agent looks for beside itself
#   cardswap/copyright/   of all of these, by Debian's packages
#   cardswap/lib/   shared libraries of others; ucx/: what UCX loads by itself
if(NOT CARDSWAP_AGENT)
  return()
endif()
set(programs cardswapd cardswap cardswap-init cardswap-holder cardswap-keeper)
# Of the old kind, which holds for the libraries that those libraries need, too. An installation elsewhere drops it.
set_target_properties(${programs} PROPERTIES BUILD_RPATH "$ORIGIN/../lib")
set_target_properties(cardswap_c PROPERTIES BUILD_RPATH "$ORIGIN/lib")
foreach(target cardswap_c ${programs})
  target_link_options(${target} PRIVATE LINKER:--disable-new-dtags)
endforeach()

install(DIRECTORY python/cardswap DESTINATION . COMPONENT python EXCLUDE_FROM_ALL
  FILES_MATCHING PATTERN "*.py" PATTERN py.typed PATTERN __pycache__ EXCLUDE)
install(FILES python/cardswap.pth DESTINATION . COMPONENT python EXCLUDE_FROM_ALL)
foreach(program ${programs})
  install(PROGRAMS $<TARGET_FILE:${program}> DESTINATION cardswap/bin COMPONENT python EXCLUDE_FROM_ALL)
endforeach()
install(PROGRAMS $<TARGET_FILE:cardswap_c> DESTINATION cardswap RENAME libcardswap_c.so
  COMPONENT python EXCLUDE_FROM_ALL)
list(TRANSFORM programs REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE files)
install(CODE "
set(programs \"${files}\")
set(library \"$<TARGET_FILE:cardswap_c>\")
set(compiled_in \"${Boost_INCLUDE_DIRS}/boost/version.hpp;${OPENSSL_INCLUDE_DIR}/openssl/ssl.h;${CLI11_DIR}/CLI11Config.cmake\")
set(strip \"${CMAKE_STRIP}\")" COMPONENT python EXCLUDE_FROM_ALL)
install(SCRIPT cmake/bundle_libraries.cmake COMPONENT python EXCLUDE_FROM_ALL)
