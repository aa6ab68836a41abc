// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace flannel {

struct ArchiveFile {
  std::string name;  // with its folder, at most 99 bytes
  std::string text;  // at most 8 GiB
};

// Returns a tar archive in the format ustar (POSIX.1-1988). The files belong to root and have the
// mode 0600; `time`: of their last change, in seconds since 1970.
std::string tar_of(std::span<const ArchiveFile> files, std::uint64_t time);

}  // namespace flannel
