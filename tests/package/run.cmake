# Installs BUILD into a fresh folder, builds SOURCE against it and runs what came out.
file(REMOVE_RECURSE ${WORK})
foreach(step
    "${CMAKE_COMMAND};--install;${BUILD};--prefix;${WORK}/prefix"
    "${CMAKE_COMMAND};-G;Ninja;-S;${SOURCE};-B;${WORK}/build;-DCMAKE_PREFIX_PATH=${WORK}/prefix;-DCARDSWAP_TORCH_ROOT=${TORCH_ROOT}"
    "${CMAKE_COMMAND};--build;${WORK}/build"
    "${WORK}/build/my_trainer"
    "${WORK}/build/plain")
  execute_process(COMMAND ${step} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "failed: ${step}")
  endif()
endforeach()
