// SPDX-License-Identifier: Apache-2.0
#include "ctl/tar_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace flannel {
namespace {

constexpr std::size_t kBlock = 512;

// The fields of a header that we set, each at its place; numbers are octal with a zero byte behind.
constexpr std::size_t kName = 0, kMode = 100, kUid = 108, kGid = 116, kSize = 124, kTime = 136,
                      kChecksum = 148, kType = 156, kMagic = 257, kUser = 265, kGroup = 297;

void put(std::string& header, std::size_t at, std::string_view text) {
  std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
}

std::string header_of(const ArchiveFile& file, std::uint64_t time) {
  assert(file.name.size() < kMode);
  std::string header(kBlock, '\0');
  put(header, kName, file.name);
  put(header, kMode, "0000600");
  put(header, kUid, "0000000");
  put(header, kGid, "0000000");
  put(header, kSize, fmt::format("{:011o}", file.text.size()));
  put(header, kTime, fmt::format("{:011o}", time));
  put(header, kChecksum, "        ");  // the sum counts its own field as blanks
  put(header, kType, "0");
  put(header, kMagic, std::string_view("ustar\00000", 8));
  put(header, kUser, "root");
  put(header, kGroup, "root");
  unsigned sum = 0;
  for (const char c : header)
    sum += static_cast<unsigned char>(c);
  put(header, kChecksum, fmt::format("{:06o}", sum) + '\0');
  return header;
}

}  // namespace

std::string tar_of(std::span<const ArchiveFile> files, std::uint64_t time) {
  std::string archive;
  for (const ArchiveFile& file : files) {
    archive += header_of(file, time);
    archive += file.text;
    archive.resize((archive.size() + kBlock - 1) / kBlock * kBlock, '\0');
  }
  return archive.append(2 * kBlock, '\0');
}

}  // namespace flannel
