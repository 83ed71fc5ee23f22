# Run where the component "python" is installed: puts the libraries that `programs` and `library` need beside them,
# and strips what was compiled here if that is asked for.
set(package "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/cardswap")

# bundle(FILE FOLDER): a library under the name that it is asked for by; a copy, since a wheel knows no links.
function(bundle file folder)
  get_filename_component(name ${file} NAME)
  file(REAL_PATH ${file} real)
  message(STATUS "Bundling: ${folder}/${name}")
  file(MAKE_DIRECTORY ${folder})
  file(COPY_FILE ${real} ${folder}/${name} ONLY_IF_DIFFERENT)
endfunction()

# The C library is the machine's, and the C++ one too, which each torch takes from there.
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${programs} LIBRARIES ${library} RESOLVED_DEPENDENCIES_VAR needed
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|gcc_s|stdc\\+\\+)\\.so\\.")
foreach(file IN LISTS needed)
  bundle(${file} ${package}/lib)
  if(file MATCHES "/libucs\\.so")
    # What UCX has for RDMA and CUDA; it passes over one whose driver libraries the machine does not have.
    file(REAL_PATH ${file} real)
    get_filename_component(folder ${real} DIRECTORY)
    file(GLOB modules ${folder}/ucx/libuc*.so.0)
    foreach(module IN LISTS modules)
      bundle(${module} ${package}/lib/ucx)
    endforeach()
  endif()
endforeach()

if(CMAKE_INSTALL_DO_STRIP)
  foreach(file IN LISTS programs)
    get_filename_component(name ${file} NAME)
    list(APPEND ours ${package}/bin/${name})
  endforeach()
  execute_process(COMMAND ${strip} ${ours} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${strip} --strip-unneeded ${package}/libcardswap_c.so COMMAND_ERROR_IS_FATAL ANY)
endif()
