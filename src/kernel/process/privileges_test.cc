// SPDX-License-Identifier: Apache-2.0
// Needs root. Privileges cannot be regained, so each case runs in a process of its own.
#include "kernel/process/privileges.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#include "base/fd.h"
#include "kernel/process/system_calls.h"

namespace flannel::privileges_test {
namespace {

constexpr uid_t kNobody = 65534;

std::string in_a_process(const std::function<std::string()>& run) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const Fd output{ends[0]};
  Fd input{ends[1]};
  const pid_t pid = ::fork();
  if (pid == 0) {
    const std::string text = run();
    [[maybe_unused]] const ssize_t written = ::write(input.get(), text.data(), text.size());
    ::_exit(0);
  }
  input.reset();
  std::string text;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::read(output.get(), bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<std::size_t>(got));
  int status = 0;
  ::waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  return text;
}

// The lines of /proc/PID/status that list a process's privileges.
std::string rights_in(std::istream& status) {
  std::string rights;
  for (std::string line; std::getline(status, line);) {
    std::replace(line.begin(), line.end(), '\t', ' ');
    for (const char* name : {"CapPrm:", "CapEff:", "CapBnd:", "NoNewPrivs:", "Seccomp:"}) {
      if (line.starts_with(name)) rights += line + "\n";
    }
  }
  return rights;
}

std::string rights_of_this_thread() {
  std::ifstream status("/proc/thread-self/status");
  return rights_in(status);
}

std::string text_of(const Privileges& kept) {
  std::string text;
  for (const auto* list : {&kept.capabilities, &kept.reasons, &kept.failures}) {
    for (const std::string& one : *list)
      text += one + "\n";
  }
  return text + (kept.no_new ? "no new" : "new") + (kept.filtered ? ", filtered\n" : "\n");
}

std::string refusal(long result) {
  return result < 0 ? std::string(strerrorname_np(errno)) + "\n" : "allowed\n";
}

const std::string kLeast =
    "CapPrm: 0000000000003000\n"
    "CapEff: 0000000000003000\n"
    "CapBnd: 0000000000003000\n"
    "NoNewPrivs: 1\n"
    "Seccomp: 2\n";
const std::string kSaid = "CAP_NET_ADMIN\nCAP_NET_RAW\nno new, filtered\n";

class PrivilegesTest : public testing::Test {
 protected:
  PrivilegesTest() {
    std::string pattern = testing::TempDir() + "privileges-XXXXXX";
    folder = ::mkdtemp(pattern.data());
  }
  ~PrivilegesTest() override { std::filesystem::remove_all(folder); }

  std::string make_file(const std::string& name, uid_t owner, mode_t mode) const {
    const std::string path = folder + "/" + name;
    std::ofstream(path) << "text\n";
    EXPECT_EQ(::chown(path.c_str(), owner, owner), 0);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  std::string make_folder(const std::string& name, uid_t owner, mode_t mode) const {
    const std::string path = folder + "/" + name;
    EXPECT_EQ(::mkdir(path.c_str(), 0700), 0);
    EXPECT_EQ(::chown(path.c_str(), owner, owner), 0);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  static std::string dropped(const NeededLater& files) {
    return in_a_process([&] { return text_of(drop_privileges(files)); });
  }

  std::string folder;
};

TEST_F(PrivilegesTest, TwoCapabilitiesStayAndPassOnToThreadsAndPrograms) {
  EXPECT_EQ(in_a_process([] {
              std::string text = text_of(drop_privileges({}));
              std::thread([&] { text += rights_of_this_thread(); }).join();
              return text;
            }),
            kSaid + kLeast);
  std::istringstream program(in_a_process([] {
    drop_privileges({});
    FILE* const status = ::popen("cat /proc/self/status", "r");
    std::string text;
    char bytes[4096];
    for (std::size_t got = 0; (got = ::fread(bytes, 1, sizeof bytes, status)) > 0;)
      text.append(bytes, got);
    ::pclose(status);
    return text;
  }));
  EXPECT_EQ(rights_in(program), kLeast);
}

TEST_F(PrivilegesTest, WhatAServiceDoesNotNeedIsAnErrorAndNotTheEnd) {
  EXPECT_EQ(in_a_process([] {
              drop_privileges({});
              std::string text = refusal(::mount("none", "/mnt", "tmpfs", 0, nullptr));
              text += refusal(::unshare(CLONE_NEWUSER));
              text += refusal(::chroot("/"));
              text += refusal(::socket(AF_BLUETOOTH, SOCK_RAW, 0));
              text += refusal(::socket(AF_ALG, SOCK_SEQPACKET, 0));
              text += refusal(::socket(AF_INET, SOCK_RAW, IPPROTO_RAW));  // iptables-legacy
              text += refusal(::socket(AF_NETLINK, SOCK_RAW, 0));
              text += refusal(::socket(AF_PACKET, SOCK_DGRAM, 0));  // probes
              return text;
            }),
            "ENOSYS\nENOSYS\nENOSYS\nEAFNOSUPPORT\nEAFNOSUPPORT\nallowed\nallowed\nallowed\n");
}

TEST_F(PrivilegesTest, AgainIsHarmless) {
  EXPECT_EQ(in_a_process([] {
              drop_privileges({});
              return text_of(drop_privileges({}));
            }),
            kSaid);
}

TEST_F(PrivilegesTest, ARightThatWasNotThereIsNotMissed) {
  EXPECT_EQ(in_a_process([] {
              if (::setuid(kNobody) != 0) return std::string("still root");
              const Privileges kept = drop_privileges({});
              return std::to_string(kept.capabilities.size()) + (kept.filtered ? " filtered" : "");
            }),
            "0 filtered");
}

TEST_F(PrivilegesTest, AKeyOfAnotherUserKeepsTheRightToReadAndNoMore) {
  const std::string own = make_file("own.pem", 0, 0600);
  const std::string key = make_file("key.pem", kNobody, 0600);
  EXPECT_EQ(dropped({.read = {own}, .write = {}, .niceness = false}), kSaid);
  EXPECT_EQ(dropped({.read = {own, key}, .write = {}, .niceness = false}),
            "CAP_DAC_READ_SEARCH\nCAP_NET_ADMIN\nCAP_NET_RAW\n" + key +
                " cannot be read without CAP_DAC_READ_SEARCH\nno new, filtered\n");
  EXPECT_EQ(in_a_process([&] {
              drop_privileges({.read = {key}, .write = {}, .niceness = false});
              return refusal(::open(key.c_str(), O_RDONLY)) + refusal(::open(key.c_str(), O_RDWR));
            }),
            "allowed\nEACCES\n");
}

TEST_F(PrivilegesTest, AFolderOfAnotherUserKeepsTheRightToWrite) {
  const std::string theirs = make_folder("theirs", kNobody, 0755) + "/subnet.env";
  const std::string below = folder + "/theirs/not/yet/there";
  const std::string own = make_folder("own", 0, 0755) + "/subnet.env";
  EXPECT_EQ(dropped({.read = {}, .write = {own, folder + "/own/not/yet/there"}, .niceness = false}),
            kSaid);
  for (const std::string& file : {theirs, below}) {
    EXPECT_EQ(dropped({.read = {}, .write = {own, file}, .niceness = false}),
              "CAP_DAC_OVERRIDE\nCAP_NET_ADMIN\nCAP_NET_RAW\n" + file +
                  " cannot be written without CAP_DAC_OVERRIDE\nno new, filtered\n");
  }
}

TEST_F(PrivilegesTest, ASocketOfAnotherUserKeepsTheRightToConnect) {
  const std::string own = make_file("own", 0, 0600);
  const std::string readable = make_file("readable", kNobody, 0755);
  EXPECT_EQ(dropped({.read = {}, .write = {}, .connect = {own}}), kSaid);
  EXPECT_EQ(dropped({.read = {}, .write = {}, .connect = {own, readable}}),
            "CAP_DAC_OVERRIDE\nCAP_NET_ADMIN\nCAP_NET_RAW\n" + readable +
                " cannot be connected to without CAP_DAC_OVERRIDE\nno new, filtered\n");
}

TEST_F(PrivilegesTest, TheRightToNicenessStaysForThreadsAndNotForPrograms) {
  EXPECT_EQ(in_a_process([] {
              std::string text =
                  text_of(drop_privileges({.read = {}, .write = {}, .niceness = true}));
              std::thread([&] { text += rights_of_this_thread(); }).join();
              return text;
            }),
            "CAP_NET_ADMIN\nCAP_NET_RAW\nCAP_SYS_NICE\npacket threads cannot go before others "
            "without CAP_SYS_NICE\nno new, filtered\n"
            "CapPrm: 0000000000803000\n"
            "CapEff: 0000000000803000\n"
            "CapBnd: 0000000000003000\n"
            "NoNewPrivs: 1\n"
            "Seccomp: 2\n");
}

TEST_F(PrivilegesTest, AFileThatNoRightOpensKeepsNone) {
  EXPECT_EQ(dropped({.read = {}, .write = {"/proc/sys/kernel/random/uuid"}, .niceness = false}),
            kSaid);
}

TEST(SystemCallsTest, TheListHasWhatProgramsBeginWith) {
  const auto allowed = allowed_system_calls();
  for (const char* name :
       {"execve", "clone3", "openat", "sendmmsg", "epoll_pwait", "sched_setattr"})
    EXPECT_NE(std::ranges::find(allowed, name), allowed.end()) << name;
  for (const char* name : {"mount", "bpf", "ptrace", "setuid", "init_module", "unshare", "keyctl"})
    EXPECT_EQ(std::ranges::find(allowed, name), allowed.end()) << name;
}

}  // namespace
}  // namespace flannel::privileges_test
