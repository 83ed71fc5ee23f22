# LibTorch as PyPI's wheel ships it, without its CMake package: that one insists on a CUDA toolkit
# even for a program that only uses the CPU library. CARDSWAP_TORCH_ROOT is the folder that holds
# torch/lib and torch/include (scripts/setup.sh prints it); without it, the cache that
# scripts/setup.sh fills and then the active Python's own torch are tried.
if(NOT CARDSWAP_TORCH_ROOT)
  if(DEFINED ENV{CARDSWAP_TORCH_ROOT})
    set(CARDSWAP_TORCH_ROOT $ENV{CARDSWAP_TORCH_ROOT})
  else()
    set(cache $ENV{CARDSWAP_CACHE})
    if(NOT cache)
      set(cache $ENV{HOME}/.cache/cardswap)
    endif()
    file(GLOB candidates ${cache}/torch-*)
    foreach(candidate ${candidates})
      if(EXISTS ${candidate}/torch/lib/libtorch_cpu.so)
        set(CARDSWAP_TORCH_ROOT ${candidate})
      endif()
    endforeach()
  endif()
endif()
set(CARDSWAP_TORCH_ROOT "${CARDSWAP_TORCH_ROOT}" CACHE PATH "Folder that holds torch/lib and torch/include")

find_library(CARDSWAP_TORCH_CPU_LIBRARY torch_cpu PATHS ${CARDSWAP_TORCH_ROOT}/torch/lib NO_DEFAULT_PATH)
find_library(CARDSWAP_C10_LIBRARY c10 PATHS ${CARDSWAP_TORCH_ROOT}/torch/lib NO_DEFAULT_PATH)
find_path(CARDSWAP_TORCH_INCLUDE torch/script.h PATHS ${CARDSWAP_TORCH_ROOT}/torch/include NO_DEFAULT_PATH)
# The CUDA half is optional: the wheel's headers have it, and its library is there or not.
find_library(CARDSWAP_TORCH_CUDA_LIBRARY torch_cuda PATHS ${CARDSWAP_TORCH_ROOT}/torch/lib NO_DEFAULT_PATH)
find_library(CARDSWAP_C10_CUDA_LIBRARY c10_cuda PATHS ${CARDSWAP_TORCH_ROOT}/torch/lib NO_DEFAULT_PATH)
set(CARDSWAP_TORCH_HAS_CUDA_HEADERS OFF)
if(CARDSWAP_TORCH_INCLUDE AND EXISTS ${CARDSWAP_TORCH_INCLUDE}/c10/cuda/impl/cuda_cmake_macros.h)
  set(CARDSWAP_TORCH_HAS_CUDA_HEADERS ON)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CardswapTorch
  REQUIRED_VARS CARDSWAP_TORCH_CPU_LIBRARY CARDSWAP_C10_LIBRARY CARDSWAP_TORCH_INCLUDE
  REASON_FAILURE_MESSAGE "run scripts/setup.sh, set CARDSWAP_TORCH_ROOT, or build with -DCARDSWAP_TORCH=OFF")
if(CardswapTorch_FOUND AND NOT TARGET cardswap::libtorch)
  add_library(cardswap::libtorch INTERFACE IMPORTED GLOBAL)
  target_include_directories(cardswap::libtorch SYSTEM INTERFACE
    ${CARDSWAP_TORCH_INCLUDE} ${CARDSWAP_TORCH_INCLUDE}/torch/csrc/api/include)
  target_link_libraries(cardswap::libtorch INTERFACE ${CARDSWAP_TORCH_CPU_LIBRARY} ${CARDSWAP_C10_LIBRARY})
  if(CARDSWAP_TORCH_CUDA_LIBRARY AND CARDSWAP_C10_CUDA_LIBRARY)
    # Nothing refers to torch_cuda by name: it registers its kernels when it is loaded.
    target_link_libraries(cardswap::libtorch INTERFACE -Wl,--no-as-needed ${CARDSWAP_TORCH_CUDA_LIBRARY}
      ${CARDSWAP_C10_CUDA_LIBRARY} -Wl,--as-needed)
  endif()
  target_link_options(cardswap::libtorch INTERFACE
    "LINKER:-rpath,${CARDSWAP_TORCH_ROOT}/torch/lib"
    "LINKER:-rpath-link,${CARDSWAP_TORCH_ROOT}/nvidia/cu13/lib")
endif()
