// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/host_locks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "base/lock_file.h"
#include "base/log.h"
#include "support/fresh_netns.h"

namespace flannel::host_locks_test {
namespace {

constexpr uid_t kNobody = 65534;
constexpr const char* kNowhere = "/proc/no-folder-can-be-made-here";

// A process that listens at the socket name of a lock: a daemon of an earlier release, or a process
// that wants to keep daemons from starting.
class Listener {
 public:
  Listener(const std::string& what, uid_t user, bool full = false) {
    int ready[2];
    if (::pipe(ready) != 0) ::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::setuid(user) != 0) ::_exit(1);
      listen(what, full);
      (void)!::write(ready[1], "x", 1);
      for (;;)
        ::pause();
    }
    ::close(ready[1]);
    char byte;
    if (::read(ready[0], &byte, 1) != 1) throw std::runtime_error("it cannot listen");
    ::close(ready[0]);
  }
  ~Listener() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  static void listen(const std::string& what, bool full) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "flannel/" + what;
    name.copy(address.sun_path + 1, name.size());
    const auto* bytes = reinterpret_cast<const sockaddr*>(&address);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::bind(fd, bytes, size) != 0 || ::listen(fd, 1) != 0) ::_exit(1);
    for (int i = 0; full && i < 4; ++i)
      ::connect(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), bytes, size);
  }

  pid_t pid_;
};

class HostLocksTest : public NetnsTest {
 protected:
  void SetUp() override {
    NetnsTest::SetUp();
    char name[] = "/tmp/flannel-locks-XXXXXX";
    folder_ = ::mkdtemp(name);
    locks_.emplace(folder_ + "/run");
    log::capture([this](std::string_view line) { log_ += std::string(line) + "\n"; });
  }
  void TearDown() override {
    log::capture({});
    std::filesystem::remove_all(folder_);
    NetnsTest::TearDown();
  }

  // The reason why `what` cannot be locked; empty: it can.
  std::string refusal(std::string_view what) {
    const auto lock = locks_->acquire(what);
    return lock ? std::string() : lock.error().text;
  }

  std::string folder_;
  std::optional<HostLocks> locks_;
  std::string log_;
};

TEST_F(HostLocksTest, ARefusalNamesTheProcessThatHasTheLock) {
  const auto first = locks_->acquire("10.5.0.0/16");
  ASSERT_TRUE(first) << first.error().text;
  for (int i = 0; i < 8; ++i) {
    const auto second = locks_->acquire("10.5.0.0/16");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::exists);
    EXPECT_EQ(second.error().text,
              fmt::format("10.5.0.0/16 belongs to another flanneld of this host, process {}",
                          ::getpid()));
  }
  EXPECT_TRUE(locks_->acquire("flannel.1"));
}

TEST_F(HostLocksTest, ALockEndsWithItsDescriptors) {
  { const auto first = locks_->acquire("flannel.1"); }
  EXPECT_TRUE(locks_->acquire("flannel.1"));
}

TEST_F(HostLocksTest, AnotherNetworkNamespaceHasThingsOfItsOwn) {
  const auto first = locks_->acquire("flannel.1");
  const FreshNetns other;
  EXPECT_TRUE(locks_->acquire("flannel.1"));
}

TEST_F(HostLocksTest, WithoutAFolderForLocksTheNamesAreEnough) {
  HostLocks locks(kNowhere);
  const auto first = locks.acquire("flannel.1");
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_FALSE(locks.acquire("flannel.1"));
}

TEST_F(HostLocksTest, TheFileLockAloneRefusesASecondDaemonWhereTheNameIsTaken) {
  const Listener stranger("flannel.1", kNobody);
  const auto first = locks_->acquire("flannel.1");
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_NE(log_.find(fmt::format("what=flannel.1 user=65534 process={} ", stranger.pid())),
            std::string::npos)
      << log_;
  EXPECT_EQ(refusal("flannel.1"), "flannel.1 belongs to another flanneld of this host");
}

TEST_F(HostLocksTest, AnUnprivilegedUserCannotBlockTheStart) {
  const Listener stranger("10.5.0.0/16", kNobody);
  const Listener hidden("flannel.1", kNobody, true);
  const Listener wide("10.0.0.0/8", kNobody);
  const Listener hidden_and_wide("10.5.0.0/17", kNobody, true);
  for (const char* folder : {folder_.c_str(), kNowhere}) {
    for (const char* what : {"10.5.0.0/16", "flannel.1"}) {
      const auto lock = HostLocks(folder).acquire(what);
      EXPECT_TRUE(lock) << folder << ": " << lock.error().text;
    }
  }
}

TEST_F(HostLocksTest, ADaemonOfAnEarlierReleaseCountsAlsoWhenManyHaveAskedForIt) {
  const Listener daemon("flannel.1", 0);
  const Listener asked("flannel.2", 0, true);
  EXPECT_EQ(
      refusal("flannel.1"),
      fmt::format("flannel.1 belongs to another flanneld of this host, process {}", daemon.pid()));
  EXPECT_EQ(refusal("flannel.2"), "flannel.2 belongs to another flanneld of this host");
}

TEST_F(HostLocksTest, ANetworkThatOverlapsAnothersIsRefusedAndBothAreNamed) {
  const auto first = locks_->acquire("10.5.0.0/16");
  for (const char* what : {"10.0.0.0/8", "10.5.128.0/17"}) {
    const auto second = locks_->acquire(what);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::exists);
    EXPECT_EQ(second.error().text,
              fmt::format("{} overlaps 10.5.0.0/16, the network of another flanneld of this host, "
                          "process {}; two networks of one host must not overlap",
                          what, ::getpid()));
  }
  EXPECT_TRUE(locks_->acquire("10.6.0.0/16"));
}

TEST_F(HostLocksTest, ARefusalNamesTheNetworkOfThisProcessThatHasTheLock) {
  const auto range = locks_->acquire("10.5.0.0/16", "blue");
  const auto device = locks_->acquire("flannel.1", "green");
  EXPECT_EQ(refusal("10.5.0.0/16"), "10.5.0.0/16 belongs to the network blue of this flanneld");
  EXPECT_EQ(refusal("flannel.1"), "flannel.1 belongs to the network green of this flanneld");
  EXPECT_EQ(refusal("10.4.0.0/15"),
            "10.4.0.0/15 overlaps 10.5.0.0/16, the network blue of this flanneld; two networks of "
            "one host must not overlap");
}

TEST_F(HostLocksTest, NetworksOfIPv6AreComparedToo) {
  const auto first = locks_->acquire("fd00:5::/48");
  const auto second = locks_->acquire("fd00::/16");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text.find("fd00::/16 overlaps fd00:5::/48, the network of another"), 0U)
      << second.error().text;
  EXPECT_TRUE(locks_->acquire("fd01::/16"));
  EXPECT_TRUE(locks_->acquire("0.0.0.0/0")) << "IPv4 does not overlap IPv6";
}

TEST_F(HostLocksTest, OfTwoOverlappingNetworksThatAreLockedAtOnceOneIsRefused) {
  for (int round = 0; round < 200; ++round) {
    std::optional<Result<std::vector<Fd>>> narrow, wide;
    std::barrier both(2);
    std::thread other([&] {
      both.arrive_and_wait();
      narrow = locks_->acquire("10.5.0.0/16");
    });
    both.arrive_and_wait();
    wide = locks_->acquire("10.0.0.0/8");
    other.join();
    ASSERT_EQ(narrow->has_value() + wide->has_value(), 1) << "round " << round;
  }
}

// The former test meets the moment between two steps of another process only by chance.
TEST_F(HostLocksTest, WhileAnotherProcessTakesALockItWaits) {
  auto gate = LockFile::open(folder_ + "/run/claims.lock").value();
  ASSERT_TRUE(gate.lock(0, LockFile::Kind::exclusive).value());
  std::atomic<bool> taken = false;
  std::thread other([&] {
    EXPECT_TRUE(locks_->acquire("10.5.0.0/16"));
    taken = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(taken);
  gate.unlock(0);
  other.join();
}

TEST_F(HostLocksTest, ANameThatDoesNotFitIsRefused) {
  EXPECT_NE(refusal(std::string(101, 'x')).find("the name is too long"), std::string::npos);
  EXPECT_TRUE(locks_->acquire(std::string(90, 'x')));
}

}  // namespace
}  // namespace flannel::host_locks_test
