// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/shell.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "kernel/process/spawn.h"

extern char** environ;

namespace flannel {
namespace {

// The first shell leads a process group and watches a pipe of which this process has the other end.
// If that closes, the whole group is killed: no command outlives a daemon that is killed. What a
// command makes is for its user alone, unless it says otherwise.
constexpr const char* kGuarded = R"(umask 077
{ read -r end; kill -s KILL 0; } <&3 >/dev/null 2>&1 &
exec 3<&-
/bin/sh -c "$0"
status=$?
{ kill $!; wait $!; } 2>/dev/null
exit $status)";

constexpr std::string_view kSystemFolders = "/usr/local/sbin:/usr/sbin:/sbin";

// Variables that begin so have secrets, or are messages of the service manager to this process.
constexpr auto kWithheld = std::to_array<std::string_view>(
    {"FLANNEL", "CONSUL_", "ETCD", "WIREGUARD_KEY_FILE=", "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_",
     "CREDENTIALS_DIRECTORY=", "PATH="});

std::vector<std::string> environment_with(const std::vector<std::string>& variables) {
  std::vector<std::string> all;
  std::string path = "PATH=/usr/local/bin:/usr/bin:/bin";
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    const std::string_view variable = *at;
    if (variable.starts_with("PATH=/")) path = variable;
    const bool withheld = std::ranges::any_of(
        kWithheld, [variable](std::string_view one) { return variable.starts_with(one); });
    if (!withheld) all.emplace_back(variable);
  }
  all.push_back(fmt::format("{}:{}", path, kSystemFolders));
  // A shell may take either of two variables of one name.
  for (const std::string& variable : variables) {
    const std::string name = variable.substr(0, variable.find('=') + 1);
    std::erase_if(all, [&name](const std::string& one) { return one.starts_with(name); });
    all.push_back(variable);
  }
  return all;
}

// A pipe of which the first end is read here and does not block.
struct OutputPipe {
  Fd ours, theirs;
};

Result<OutputPipe> open_output() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("pipe");
  OutputPipe pipe{Fd{ends[0]}, Fd{ends[1]}};
  if (::fcntl(pipe.ours.get(), F_SETFL, O_NONBLOCK) != 0) return os_error("fcntl");
  return pipe;
}

class RunningShell final : public Subscription {
 public:
  using Done = std::function<void(ShellEnd)>;

  RunningShell(Loop& loop, pid_t pid, Fd life, Done done)
      : loop_(loop), pid_(pid), life_(std::move(life)), done_(std::move(done)) {}
  ~RunningShell() override { kill(); }

  Result<void> follow(Fd output, Fd errors, Duration deadline) {
    output_ = std::move(output);
    errors_ = std::move(errors);
    process_ = Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
    if (!process_) return os_error("pidfd_open");
    ended_ = TRY(loop_.watch_fd(process_.get(), EPOLLIN, [this](std::uint32_t) { ended(); }));
    TRY(follow_output(output_readable_, output_, end_.output));
    TRY(follow_output(errors_readable_, errors_, end_.errors));
    timer_ = loop_.at(loop_.now() + deadline, [this, deadline] {
      kill();
      end_.failure =
          fmt::format("killed, because it did not end within {} s",
                      std::chrono::duration_cast<std::chrono::seconds>(deadline).count());
      finish();
    });
    return {};
  }

 private:
  Result<void> follow_output(SubscriptionPtr& readable, const Fd& from, std::string& to) {
    readable = TRY(loop_.watch_fd(from.get(), EPOLLIN, [&, this](std::uint32_t) {
      if (!read(from, to)) readable.reset();
    }));
    return {};
  }

  // Reads once, so that a command that writes without end does not hold up the loop. False: there
  // is nothing more, now or ever.
  bool read(const Fd& from, std::string& to) {
    std::array<char, 16384> buffer{};
    ssize_t size = -1;
    do {
      size = ::read(from.get(), buffer.data(), buffer.size());
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) return true;
    if (size <= 0) return false;
    const auto length = static_cast<std::size_t>(size);
    const std::size_t kept = std::min(length, kMostShellOutput - to.size());
    to.append(buffer.data(), kept);
    if (kept < length) end_.is_cut = true;
    return true;
  }

  void ended() {
    int status = 0;
    pid_t reaped = -1;
    do {
      reaped = ::waitpid(pid_, &status, WNOHANG);
    } while (reaped < 0 && errno == EINTR);
    if (reaped == 0) return;
    pid_ = -1;
    // What is in the pipes, as far as it is kept.
    for (std::size_t before = end_.output.size() + 1; before != end_.output.size();) {
      before = end_.output.size();
      if (output_readable_) read(output_, end_.output);
    }
    for (std::size_t before = end_.errors.size() + 1; before != end_.errors.size();) {
      before = end_.errors.size();
      if (errors_readable_) read(errors_, end_.errors);
    }
    if (reaped < 0) {
      end_.failure = "its exit status is lost";
    } else if (WIFSIGNALED(status)) {
      end_.failure = fmt::format("ended by signal {}", WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
      end_.failure = fmt::format("exit status {}", WEXITSTATUS(status));
    }
    finish();
  }

  // This must be the last statement: the receiver may destroy this object.
  void finish() {
    ended_.reset();
    output_readable_.reset();
    errors_readable_.reset();
    timer_.reset();
    const auto done = std::exchange(done_, nullptr);
    done(std::move(end_));
  }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }

  Loop& loop_;
  pid_t pid_;
  Fd life_;  // while it is open the command may run
  Done done_;
  Fd output_, errors_, process_;
  ShellEnd end_;
  SubscriptionPtr ended_, output_readable_, errors_readable_, timer_;
};

}  // namespace

Result<SubscriptionPtr> run_shell(Loop& loop, ShellCall call, std::function<void(ShellEnd)> done) {
  OutputPipe output = TRY(open_output());
  OutputPipe errors = TRY(open_output());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("pipe");
  const Fd watched{ends[0]};
  Fd life{ends[1]};
  const Fd input = TRY(memory_file(call.input));
  const std::vector<std::string> environment = environment_with(call.variables);
  const pid_t pid = TRY(spawn({.words = {"/bin/sh", "-c", kGuarded, std::move(call.command)},
                               .input = input.get(),
                               .output = output.theirs.get(),
                               .errors = errors.theirs.get(),
                               .fourth = watched.get(),
                               .environment = &environment,
                               .folder = std::move(call.folder),
                               .leads_group = true}));
  auto running = std::make_unique<RunningShell>(loop, pid, std::move(life), std::move(done));
  TRY(running->follow(std::move(output.ours), std::move(errors.ours), call.deadline));
  return running;
}

}  // namespace flannel
