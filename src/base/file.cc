// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/fd.h"

namespace flannel {
namespace {

namespace fs = std::filesystem;

// The kernel follows as many links in one path.
constexpr int kMostLinks = 40;
// The most bytes with which a file that is written in place is padded. Our files are shorter.
constexpr off_t kLongestPadding = 1 << 20;

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

// Returns the target of the link `path`, relative to the folder of the link; empty: `path` is no
// link.
fs::path followed(const fs::path& path) {
  struct stat status {};
  std::error_code error;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return {};
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) return {};
  const fs::path target = fs::read_symlink(path, error);
  return error ? fs::path() : path.parent_path() / target;
}

// The errno that stopped a replacement, and what was being done.
struct Obstacle {
  int code;
  Error error;
};

Obstacle obstacle(const std::string& what) {
  const int code = errno;
  return {code, os_error(what, code).value()};
}

std::optional<Obstacle> replace(const fs::path& path, const std::string& folder,
                                std::string_view text, mode_t mode) {
  std::string temporary = folder + "/." + path.filename().string() + ".XXXXXX";
  const Fd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  if (!fd) return obstacle("create a temporary file beside " + path.string());
  if (auto filled = fill_and_sync(fd, text, mode, temporary); !filled) {
    ::unlink(temporary.c_str());
    return Obstacle{0, std::move(filled).error()};
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    auto failure = obstacle("rename " + temporary + " to " + path.string());
    ::unlink(temporary.c_str());
    return failure;
  }
  return std::nullopt;
}

// True for errors that concern the folder, so that the file itself may still be writable. EPERM is
// not one: the kernel returns it for another user's file in a folder that all may write to.
bool is_about_the_folder(int code) {
  return code == EBUSY || code == EXDEV || code == EROFS || code == EACCES;
}

// Pads a shorter text with empty lines, so that a reader never sees the end of the old text after
// the new one.
Result<void> write_in_place(const fs::path& path, std::string_view text, mode_t mode) {
  const Fd fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)};
  if (!fd) return os_error("open " + path.string());
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return os_error("look at " + path.string());
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorKind::invalid, "write " + path.string() + ": it is no regular file");
  }
  std::string padded(text);
  const auto before = static_cast<std::size_t>(std::min<off_t>(status.st_size, kLongestPadding));
  if (padded.size() < before) padded.append(before - padded.size(), '\n');
  TRY(write_all(fd, padded, path.string()));
  if (::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0) {
    return os_error("cut " + path.string());
  }
  if ((status.st_mode & 07777) != mode && ::fchmod(fd.get(), mode) != 0 && errno != EPERM) {
    return os_error("chmod " + path.string());
  }
  if (::fsync(fd.get()) != 0) return os_error("fsync " + path.string());
  return {};
}

// Some file systems cannot sync a folder; their error is ignored.
Result<void> sync_folder(const std::string& folder) {
  const Fd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd && (::fsync(fd.get()) == 0 || errno == EINVAL)) return {};
  return os_error("fsync directory " + folder);
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

Result<void> make_folder(const std::string& path) {
  const fs::path folder(path);
  std::error_code error;
  if (fs::is_directory(folder, error)) return {};
  if (folder.has_parent_path() && folder.parent_path() != folder) {
    TRY(make_folder(folder.parent_path().string()));
  }
  const std::string what = "create directory " + folder.string();
  if (::mkdir(folder.c_str(), 0755) == 0) return {};
  const int code = errno;
  if (code != EEXIST) return os_error(what, code);
  if (fs::is_directory(folder, error)) return {};
  const fs::path target = fs::read_symlink(folder, error);
  if (error) return fail(ErrorKind::exists, what + ": there is a file of that name");
  return fail(ErrorKind::not_found,
              fmt::format("{}: it is a symbolic link to {}, which is no directory; make that "
                          "directory or remove the link",
                          what, target.string()));
}

Result<std::string> end_of_links(const std::string& path) {
  fs::path end(path);
  for (int links = 0; links <= kMostLinks; ++links) {
    const fs::path target = followed(end);
    if (target.empty()) return end.string();
    end = target;
  }
  return fail(ErrorKind::invalid, "write " + path + ": its symbolic links go in a circle");
}

Result<Written> write_file_atomically(const std::string& path, std::string_view text, mode_t mode) {
  const fs::path target(TRY(end_of_links(path)));
  const std::string folder =
      target.has_parent_path() ? target.parent_path().string() : std::string(".");
  struct stat status {};
  const bool there = ::lstat(target.c_str(), &status) == 0;
  if (there && S_ISDIR(status.st_mode)) {
    return fail(ErrorKind::invalid,
                fmt::format("write {}: it is a directory; remove it, or name another file (a "
                            "container engine makes one where the file to mount is missing)",
                            path));
  }
  TRY(make_folder(folder));
  auto stopped = replace(target, folder, text, mode);
  if (!stopped) {
    TRY(sync_folder(folder));
    return Written::replaced;
  }
  if (!there || !is_about_the_folder(stopped->code)) return Failure(std::move(stopped->error));
  if (!write_in_place(target, text, mode)) return Failure(std::move(stopped->error));
  return Written::in_place;
}

}  // namespace flannel
