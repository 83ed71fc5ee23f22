# Run where the component "python" is installed: puts the libraries that `programs` and `library` need beside them, and
# the copyright of each and of what is `compiled_in`; strips what was compiled here if that is asked for.
set(package "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/cardswap")

# bundle(FILE FOLDER): a library under the name that it is asked for by; a copy, since a wheel knows no links.
function(bundle file folder)
  get_filename_component(name ${file} NAME)
  file(REAL_PATH ${file} real)
  message(STATUS "Bundling: ${folder}/${name}")
  file(MAKE_DIRECTORY ${folder})
  file(COPY_FILE ${real} ${folder}/${name} ONLY_IF_DIFFERENT)
  take_copyright(${real})
endfunction()

# take_copyright(FILE): what Debian says of the package that the file is of; all of these licences ask for that.
function(take_copyright file)
  string(REGEX REPLACE "^/usr/" "/" short ${file})  # where a package says that it is, and where it is, may differ so
  foreach(path ${file} ${short})
    execute_process(COMMAND dpkg-query --search ${path} OUTPUT_VARIABLE owner ERROR_QUIET RESULT_VARIABLE status)
    if(status EQUAL 0)
      break()
    endif()
  endforeach()
  string(REGEX MATCH "^[^:, ]+" name "${owner}")
  if(NOT status EQUAL 0 OR NOT EXISTS /usr/share/doc/${name}/copyright)
    message(WARNING "No package of Debian's has ${file}: see to it yourself that its copyright is told")
    return()
  endif()
  file(MAKE_DIRECTORY ${package}/copyright)
  file(REAL_PATH /usr/share/doc/${name}/copyright told)
  file(COPY_FILE ${told} ${package}/copyright/${name} ONLY_IF_DIFFERENT)
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
foreach(file IN LISTS compiled_in)
  take_copyright(${file})
endforeach()

if(CMAKE_INSTALL_DO_STRIP)
  foreach(file IN LISTS programs)
    get_filename_component(name ${file} NAME)
    list(APPEND ours ${package}/bin/${name})
  endforeach()
  execute_process(COMMAND ${strip} ${ours} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${strip} --strip-unneeded ${package}/libcardswap_c.so COMMAND_ERROR_IS_FATAL ANY)
endif()
