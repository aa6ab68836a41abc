# SPDX-License-Identifier: Apache-2.0
# After packing: CPack's tarball says of every file and folder that it is the builder's, and to
# unpack it as root into / would make /etc and the programs his. It is made again, of the same tree.
cmake_minimum_required(VERSION 3.25)

if(NOT CPACK_GENERATOR STREQUAL TGZ)
  return()
endif()
cmake_path(GET CPACK_TEMPORARY_INSTALL_DIRECTORY PARENT_PATH parent)
cmake_path(GET CPACK_TEMPORARY_INSTALL_DIRECTORY FILENAME name)
execute_process(
  COMMAND tar --sort=name --owner=0 --group=0 --numeric-owner --format=ustar -C ${parent} -c ${name}
  COMMAND gzip -9n
  OUTPUT_FILE ${CPACK_PACKAGE_FILES}
  COMMAND_ERROR_IS_FATAL ANY)
