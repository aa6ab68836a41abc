// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/fd.h"

namespace flannel {
namespace {

Result<void> write_all(const Fd& fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return os_error("write " + path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> fill_and_sync(const Fd& fd, std::string_view text, mode_t mode,
                           const std::string& path) {
  TRY(write_all(fd, text, path));
  if (::fchmod(fd.get(), mode) != 0) return os_error("chmod " + path);
  if (::fsync(fd.get()) != 0) return os_error("fsync " + path);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
  if (!fd) return os_error("open " + path);
  std::string text;
  char chunk[16384];
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error("read " + path);
    if (got == 0) return text;
    text.append(chunk, static_cast<std::size_t>(got));
    if (text.size() > limit) {
      return fail(ErrorKind::invalid,
                  "read " + path + ": longer than " + std::to_string(limit) + " bytes");
    }
  }
}

Result<void> write_file_atomically(const std::string& path, std::string_view text, mode_t mode) {
  const std::filesystem::path target(path);
  const std::string directory =
      target.has_parent_path() ? target.parent_path().string() : std::string(".");
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return os_error("create directory " + directory, error.value());

  std::string temporary = directory + "/." + target.filename().string() + ".XXXXXX";
  const Fd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd) return os_error("create a temporary file beside " + path);
  if (auto filled = fill_and_sync(fd, text, mode, temporary); !filled) {
    ::unlink(temporary.c_str());
    return filled;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    auto failure = os_error("rename " + temporary + " to " + path);
    ::unlink(temporary.c_str());
    return failure;
  }
  const Fd folder{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder || ::fsync(folder.get()) != 0) return os_error("fsync directory " + directory);
  return {};
}

}  // namespace flannel
