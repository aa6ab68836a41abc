// SPDX-License-Identifier: Apache-2.0
#include "base/lock_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/printable.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestNote = 200;

struct flock range(short type, std::uint64_t first, std::uint64_t last) {
  struct flock asked {};
  asked.l_type = type;
  asked.l_whence = SEEK_SET;
  asked.l_start = static_cast<off_t>(first);
  asked.l_len = static_cast<off_t>(last - first + 1);
  return asked;
}

// In a folder that all users may write to, another user could own the file and hold all its locks.
Result<void> check_owner(const Fd& fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return os_error("look at " + path);
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::denied, path + " is no plain file");
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return fail(ErrorKind::denied, fmt::format("{} belongs to user {}", path, status.st_uid));
  }
  if ((status.st_mode & 077) != 0 && ::fchmod(fd.get(), 0600) != 0) {
    return os_error("keep others from opening " + path);
  }
  return {};
}

}  // namespace

Result<LockFile> LockFile::open(const std::string& path) {
  TRY(make_folder(std::filesystem::path(path).parent_path().string()));
  Fd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
               0600)};
  if (!fd) return os_error("open the lock file " + path);
  TRY(check_owner(fd, path));
  return LockFile(std::move(fd), path);
}

Result<LockFile> LockFile::of(const std::string& path) {
  Fd fd{::open(path.c_str(), O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (!fd) return os_error("open " + path);
  return LockFile(std::move(fd), path);
}

// Hashes the name with FNV-1a and folds in the highest bits. Two names that share a byte would
// exclude each other; the chance of that is one in 2^61.
std::uint64_t LockFile::byte_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name)
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return (hash ^ hash >> 61) % (std::uint64_t{1} << 61) + 1;
}

Result<bool> LockFile::lock(std::uint64_t byte, Kind kind) {
  auto asked = range(kind == Kind::shared ? F_RDLCK : F_WRLCK, byte, byte);
  if (::fcntl(fd_.get(), F_OFD_SETLK, &asked) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return os_error("lock " + path_);
}

Result<bool> LockFile::lock_soon(std::uint64_t byte) {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 10'000'000};
  for (int tries = 0; tries < 100; ++tries) {
    if (TRY(lock(byte, Kind::exclusive))) return true;
    ::nanosleep(&kPause, nullptr);
  }
  return false;
}

void LockFile::unlock(std::uint64_t byte) {
  auto asked = range(F_UNLCK, byte, byte);
  ::fcntl(fd_.get(), F_OFD_SETLK, &asked);
}

Result<bool> LockFile::locked_by_others(std::uint64_t first, std::uint64_t last) const {
  if (first > last) return false;
  auto asked = range(F_WRLCK, first, last);
  if (::fcntl(fd_.get(), F_OFD_GETLK, &asked) != 0) return os_error("ask for locks of " + path_);
  return asked.l_type != F_UNLCK;
}

Result<bool> LockFile::locked_to_write(std::uint64_t byte) const {
  auto asked = range(F_RDLCK, byte, byte);
  if (::fcntl(fd_.get(), F_OFD_GETLK, &asked) != 0) return os_error("ask for locks of " + path_);
  return asked.l_type != F_UNLCK;
}

void LockFile::write_note(std::string_view note) {
  const std::string line = std::string(note.substr(0, kLongestNote)) + "\n";
  if (::ftruncate(fd_.get(), 0) != 0) return;
  [[maybe_unused]] const auto written = ::pwrite(fd_.get(), line.data(), line.size(), 0);
}

std::string LockFile::note() const {
  char bytes[kLongestNote];
  const ssize_t got = ::pread(fd_.get(), bytes, sizeof bytes, 0);
  if (got <= 0) return {};
  const std::string_view text(bytes, static_cast<std::size_t>(got));
  return printable(text.substr(0, text.find('\n')));
}

}  // namespace flannel
