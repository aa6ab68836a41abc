// SPDX-License-Identifier: Apache-2.0
#include "daemon/software_checksums_file.h"

#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "core/state_folder.h"

namespace flannel {
namespace {

constexpr std::string_view kText =
    "By this file flanneld has the kernel fill in the checksums of packets by its vxlan devices.\n"
    "flannelctl doctor --fix made it, and flannelctl doctor --fix=off removes it.\n";
constexpr std::size_t kLongest = 4096;

std::string file_in(const std::string& state_folder) {
  return state_folder + "/" + std::string(kSoftwareChecksumsFile);
}

}  // namespace

bool has_software_checksums_file(const std::string& state_folder) {
  return read_file(file_in(state_folder), kLongest).has_value();
}

Result<void> keep_software_checksums(const std::string& state_folder, bool on) {
  const std::string file = file_in(state_folder);
  if (on) {
    TRY_DURING(write_file_atomically(file, kText, 0644), "remember it in " + file);
    return {};
  }
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) return os_error("remove " + file);
  return {};
}

}  // namespace flannel
