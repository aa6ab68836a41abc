# SPDX-License-Identifier: Apache-2.0
# Runs after packing: in CPack's tarball every file and folder belongs to the builder's user, who
# would then own /etc and the programs after an unpack into / as root. The tarball is made again from
# the same tree, with root as the owner.
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
