# Installs BUILD into a fresh folder, makes a project of what GUIDE shows, word by word, builds it
# and PLAIN against what was installed, and runs both.
file(REMOVE_RECURSE ${WORK})
file(READ ${GUIDE} guide)

# The first block of `language` after `heading` becomes `file`.
function(take_block heading language file)
  string(FIND "${guide}" "${heading}" at)
  string(SUBSTRING "${guide}" ${at} -1 rest)
  string(FIND "${rest}" "\n```${language}\n" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${GUIDE} shows no ${file}")
  endif()
  string(LENGTH "\n```${language}\n" fence)
  math(EXPR at "${at} + ${fence}")
  string(SUBSTRING "${rest}" ${at} -1 rest)
  string(FIND "${rest}" "\n```" end)
  string(SUBSTRING "${rest}" 0 ${end} text)
  file(WRITE ${WORK}/my_trainer/${file} "${text}\n")
endfunction()
take_block("## A first trainer" cmake CMakeLists.txt)
take_block("## A first trainer" cpp my_trainer.cpp)

foreach(step
    "${CMAKE_COMMAND};--install;${BUILD};--prefix;${WORK}/prefix"
    "${CMAKE_COMMAND};-G;Ninja;-S;${WORK}/my_trainer;-B;${WORK}/build;-DCMAKE_PREFIX_PATH=${WORK}/prefix;-DCARDSWAP_TORCH_ROOT=${TORCH_ROOT}"
    "${CMAKE_COMMAND};--build;${WORK}/build"
    "${WORK}/build/my_trainer;3;${WORK}/losses"
    "${CMAKE_COMMAND};-G;Ninja;-S;${PLAIN};-B;${WORK}/plain;-DCMAKE_PREFIX_PATH=${WORK}/prefix;-DCARDSWAP_TORCH_ROOT=${TORCH_ROOT}"
    "${CMAKE_COMMAND};--build;${WORK}/plain"
    "${WORK}/plain/plain")
  execute_process(COMMAND ${step} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "failed: ${step}")
  endif()
endforeach()
file(STRINGS ${WORK}/losses lines)
list(LENGTH lines count)
if(NOT count EQUAL 4)  # three steps and the digest
  message(FATAL_ERROR "the guide's trainer wrote ${count} lines: ${lines}")
endif()
