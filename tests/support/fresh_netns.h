// SPDX-License-Identifier: Apache-2.0
// Gives a test a network namespace of its own, so that it has no effect outside and leaves nothing
// behind.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "base/fd.h"

namespace flannel {

// Runs `command` and returns its output. Throws an exception with all output if it fails.
inline std::string shell(const std::string& command) {
  FILE* pipe = ::popen(("set -e; exec 2>&1; " + command).c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = ::fread(buffer.data(), 1, buffer.size(), pipe))
    text.append(buffer.data(), size);
  if (::pclose(pipe) != 0) throw std::runtime_error(command + " failed: " + text);
  return text;
}

// Adds an IPv6 address to a device that is up, and waits until the kernel accepts packets to it:
// the route that it needs is made by a worker of the kernel, some time after the address.
inline void add_ip6(const std::string& address, int bits, const std::string& device) {
  shell("ip addr add " + address + "/" + std::to_string(bits) + " dev " + device +
        " nodad; until ip -6 route get " + address + " | grep -q ^local; do :; done");
}

// Moves the calling thread, and the threads and processes that it starts later, into a new
// namespace. The destructor moves the thread back, and the namespace ends with its last process.
class FreshNetns {
 public:
  FreshNetns() : home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (home_ && ::unshare(CLONE_NEWNET) != 0) {
      why_not_ = std::strerror(errno);
      home_.reset();
    }
  }
  ~FreshNetns() {
    if (home_ && ::setns(home_.get(), CLONE_NEWNET) != 0) ::abort();
  }
  FreshNetns(const FreshNetns&) = delete;
  FreshNetns& operator=(const FreshNetns&) = delete;

  bool entered() const { return static_cast<bool>(home_); }
  const std::string& why_not() const { return why_not_; }

 private:
  Fd home_;
  std::string why_not_ = "no /proc";
};

// Topology:  eth0 (192.0.2.1/24) ── eth0-peer, both in the test's own namespace
class NetnsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!netns_.entered()) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no network namespace (" << netns_.why_not()
                   << "); run as root";
    }
    shell("ip link set lo up");
    shell("ip link add eth0 type veth peer name eth0-peer");
    shell("ip link set eth0-peer up");
    shell("ip address add 192.0.2.1/24 dev eth0");
    // The kernel sees the carrier some time later, and then changes flags, routes and addresses.
    shell("ip link set eth0 up; until ip link show eth0 | grep -q 'state UP'; do :; done");
  }

 private:
  FreshNetns netns_;
};

}  // namespace flannel
