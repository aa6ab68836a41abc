// SPDX-License-Identifier: Apache-2.0
#include "daemon/kept_fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/log.h"
#include "base/parse.h"

namespace flannel {
namespace {

constexpr int kFirst = 3;   // SD_LISTEN_FDS_START
constexpr int kMost = 520;  // what flanneld.service may keep, and sockets of units

std::string_view environment(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? std::string_view() : text;
}

}  // namespace

KeptFds KeptFds::from_environment() {
  KeptFds kept;
  if (parse_decimal<pid_t>(environment("LISTEN_PID")) == ::getpid()) {
    kept = parse(environment("LISTEN_FDS"), environment("LISTEN_FDNAMES"), kFirst);
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
    ::unsetenv(name);
  return kept;
}

KeptFds KeptFds::parse(std::string_view count, std::string_view names, int first) {
  KeptFds kept;
  if (count.empty()) return kept;
  const auto number = parse_decimal<unsigned>(count);
  const auto parts = split(names, ':');
  if (!number || *number > kMost || parts.size() != *number) {
    log::warning("the descriptors from the service manager are unusable",
                 {{"LISTEN_FDS", count}, {"LISTEN_FDNAMES", names}});
    return kept;
  }
  for (unsigned i = 0; i < *number; ++i) {
    const int fd = first + static_cast<int>(i);
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) kept.fds_.emplace(parts[i], Fd{fd});
  }
  return kept;
}

std::string KeptFds::name_in(std::string_view network, std::string_view name) {
  return network.empty() ? std::string(name) : std::string(network) + "." + std::string(name);
}

std::set<std::string> KeptFds::names() const {
  std::set<std::string> names;
  for (const auto& [name, fd] : fds_)
    names.insert(name);
  return names;
}

std::vector<Fd> KeptFds::take(std::string_view name) {
  std::vector<Fd> taken;
  const auto [begin, end] = fds_.equal_range(name);
  for (auto one = begin; one != end; ++one)
    taken.push_back(std::move(one->second));
  fds_.erase(begin, end);
  return taken;
}

}  // namespace flannel
