# SPDX-License-Identifier: Apache-2.0
# Runs between install and pack, once for each generator. It brings manuals and documents into
# Debian's form, and gives all files one time, so that a package can be made again byte for byte.
cmake_minimum_required(VERSION 3.25)

set(tree ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(doc ${tree}/${CPACK_FLANNEL_DOC})
if(NOT DEFINED ENV{SOURCE_DATE_EPOCH})
  execute_process(COMMAND git log -1 --format=%ct WORKING_DIRECTORY ${CPACK_FLANNEL_DIST}
    OUTPUT_VARIABLE time OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT time)
    string(TIMESTAMP time %s UTC)
  endif()
  set(ENV{SOURCE_DATE_EPOCH} ${time})
endif()

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GLOB manuals ${tree}/usr/share/man/man8/*.8)
run(gzip -9n ${manuals})
file(GLOB programs ${tree}/usr/sbin/*)
run(strip --remove-section=.comment --remove-section=.note ${programs})

if(CPACK_GENERATOR STREQUAL DEB)
  file(REMOVE ${doc}/LICENSE)  # part of every Debian
  string(TIMESTAMP CPACK_FLANNEL_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
  configure_file(${CPACK_FLANNEL_DIST}/debian/changelog.in ${doc}/changelog @ONLY)
  run(gzip -9n ${doc}/changelog)
  file(COPY ${CPACK_FLANNEL_DIST}/debian/copyright DESTINATION ${doc}
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  configure_file(${CPACK_FLANNEL_DIST}/debian/lintian-overrides
    ${tree}/usr/share/lintian/overrides/${CPACK_PACKAGE_NAME} COPYONLY)
endif()

run(find ${tree} -exec touch -hd @$ENV{SOURCE_DATE_EPOCH} {} +)
