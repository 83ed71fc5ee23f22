# What a builder may choose, and how strict the compilers are.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

option(CARDSWAP_AGENT "Build cardswapd and cardswap" ON)
option(CARDSWAP_CRIU "Processes can be moved with CRIU, which is looked for when the agent runs" ON)
option(CARDSWAP_TORCH "Build cardswap::torch and the LibTorch examples" ON)
option(CARDSWAP_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(CARDSWAP_LIBFUZZER "Build the fuzz targets as libFuzzer programs (clang)" OFF)
option(CARDSWAP_WERROR "Warnings are errors" OFF)
option(CARDSWAP_UNITY "Compile the sources of a folder several at a time" OFF)
set(CARDSWAP_WHEEL_OF "" CACHE PATH "A build folder whose programs a wheel is made of, as they are")
set(CARDSWAP_CUDA AUTO CACHE STRING "The cuda device: AUTO, ON or OFF")
set_property(CACHE CARDSWAP_CUDA PROPERTY STRINGS AUTO ON OFF)
set(CARDSWAP_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize takes them")

add_library(cardswap_build_flags INTERFACE)
target_compile_options(cardswap_build_flags INTERFACE -Wall -Wextra $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  -Wno-missing-field-initializers)  # designated initialisers leave the rest at its default
# cardswap_strict(TARGETS...): what ships is held to more than what tests it: it casts by hand, and shadows nothing.
function(cardswap_strict)
  foreach(target ${ARGN})
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wshadow;-Wconversion;-Wsign-conversion;-Wold-style-cast>"
      "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wimplicit-fallthrough;-Wcast-qual>")
  endforeach()
endfunction()
if(CARDSWAP_WERROR)
  target_compile_options(cardswap_build_flags INTERFACE -Werror)
endif()
if(CARDSWAP_SANITIZE)
  add_compile_options(-fsanitize=${CARDSWAP_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${CARDSWAP_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options(-Wno-maybe-uninitialized)  # GCC sees ghosts in instrumented code
    if(CARDSWAP_SANITIZE MATCHES thread)
      add_compile_options(-Wno-tsan)  # Boost.Asio's fences, which are not seen, stand beside its mutexes
    endif()
  endif()
endif()

if(CARDSWAP_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

# cardswap_precompiled(TARGET FIRST HEADERS...): TARGET takes HEADERS precompiled, which are compiled with the
# target FIRST, and what FIRST defines. GCC alone lets TARGET define more that the headers do not use.
function(cardswap_precompiled program first)
  get_target_property(type ${program} TYPE)
  if(type STREQUAL EXECUTABLE)  # compiled as libraries are, or the two could not share the headers
    set_target_properties(${program} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${program} PRIVATE -fPIC)
  endif()
  if(program STREQUAL first)
    target_precompile_headers(${program} PRIVATE ${ARGN})
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_precompile_headers(${program} REUSE_FROM ${first})
    target_compile_definitions(${program} PRIVATE $<TARGET_PROPERTY:${first},COMPILE_DEFINITIONS>)
  endif()
endfunction()

# The usual linker takes seconds for each of many programs.
include(CheckLinkerFlag)
if(NOT "${CMAKE_EXE_LINKER_FLAGS} ${CMAKE_CXX_FLAGS}" MATCHES "-fuse-ld=")
  foreach(linker mold lld)
    check_linker_flag(CXX -fuse-ld=${linker} CARDSWAP_LINKS_WITH_${linker})
    if(CARDSWAP_LINKS_WITH_${linker})
      add_link_options(-fuse-ld=${linker})
      break()
    endif()
  endforeach()
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
