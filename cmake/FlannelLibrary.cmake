# SPDX-License-Identifier: Apache-2.0
# One folder is one library; its unit tests sit beside the code and become one test program.

include(GoogleTest)
find_package(GTest REQUIRED)

set(FLANNEL_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Werror)

# flannel_library(name SOURCES a.cc ... LINK flannel_base ... [PRIVATE libs...])
#   -> target flannel_<name>
function(flannel_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE" ${ARGN})
  add_library(flannel_${name} STATIC ${ARG_SOURCES})
  target_include_directories(flannel_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(flannel_${name} PRIVATE ${FLANNEL_WARNINGS})
  target_link_libraries(flannel_${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE})
  if(FLANNEL_UNITY)
    set_target_properties(flannel_${name} PROPERTIES
      UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${FLANNEL_UNITY})
  endif()
endfunction()

# flannel_test(name SOURCES a_test.cc ... LINK flannel_core ... [LABEL store])
#   -> program <name>_test, each case a ctest of its own with the label "unit" or the one given;
#      the target <label>_tests builds all programs of one label
function(flannel_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  add_executable(${name}_test ${ARG_SOURCES})
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_options(${name}_test PRIVATE ${FLANNEL_WARNINGS})
  target_link_libraries(${name}_test PRIVATE ${ARG_LINK} GTest::gtest_main)
  if(FLANNEL_UNITY)
    # Each *_test.cc has a namespace of its own, so that these can be compiled together.
    set_target_properties(${name}_test PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
    set(alone ${ARG_SOURCES})
    list(FILTER alone EXCLUDE REGEX "_test\\.cc$")
    set_source_files_properties(${alone} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  if(NOT TARGET ${ARG_LABEL}_tests)
    add_custom_target(${ARG_LABEL}_tests)
  endif()
  add_dependencies(${ARG_LABEL}_tests ${name}_test)
  gtest_discover_tests(${name}_test PROPERTIES LABELS ${ARG_LABEL} DISCOVERY_TIMEOUT 60)
endfunction()

# flannel_fuzz(name SOURCES x_fuzz.cc LINK ...): a libFuzzer program; its corpus is
# tests/fuzz/corpus/<name>. Built only by the "fuzz" preset.
function(flannel_fuzz name)
  if(NOT FLANNEL_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name}_fuzz ${ARG_SOURCES})
  target_include_directories(${name}_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_options(${name}_fuzz PRIVATE ${FLANNEL_WARNINGS})
  target_link_libraries(${name}_fuzz PRIVATE ${ARG_LINK})
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
endfunction()
