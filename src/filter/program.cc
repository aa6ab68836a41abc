// SPDX-License-Identifier: Apache-2.0
#include "filter/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

#include "base/fd.h"
#include "base/parse.h"
#include "kernel/process/spawn.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestOutput = 64U << 20;
// Between two looks at a program that has closed its output and has not ended.
constexpr std::chrono::milliseconds kLookPause{10};

// The beginning of the file's text, without line ends.
std::string words_in(const Fd& file) {
  std::array<char, 2000> buffer{};
  const ssize_t size = ::pread(file.get(), buffer.data(), buffer.size(), 0);
  std::string text;
  for (const std::string_view line : split(
           std::string_view(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0), '\n')) {
    if (!trim(line).empty()) text += (text.empty() ? "" : "; ") + std::string(trim(line));
  }
  return text;
}

class RunningProgram final : public Subscription {
 public:
  using Done = std::function<void(Result<std::string>)>;

  RunningProgram(Loop& loop, std::string name, pid_t pid, Fd output, Fd errors, Done done)
      : loop_(loop),
        name_(std::move(name)),
        pid_(pid),
        output_(std::move(output)),
        errors_(std::move(errors)),
        done_(std::move(done)) {}
  ~RunningProgram() override { kill(); }

  Result<void> follow(Duration deadline) {
    readable_ = TRY(loop_.watch_fd(output_.get(), EPOLLIN, [this](std::uint32_t) { read(); }));
    timer_ = loop_.at(loop_.now() + deadline, [this] {
      kill();
      finish(fail(ErrorKind::unavailable, name_ + ": killed, it did not end in time"));
    });
    return {};
  }

 private:
  void read() {
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t size = ::read(output_.get(), buffer.data(), buffer.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) return;
      if (size <= 0) break;
      if (text_.size() > kLongestOutput) {
        kill();
        return finish(fail(ErrorKind::invalid, name_ + ": it writes without end"));
      }
      text_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    readable_.reset();
    look_for_its_end();
  }

  // A program closes its output when it ends; but one may close it and go on until the deadline.
  void look_for_its_end() {
    const auto ending = wait(WNOHANG);
    if (!ending) {
      look_ = loop_.at(loop_.now() + kLookPause, [this] { look_for_its_end(); });
    } else if (!*ending) {
      finish(fail(ErrorKind::system, name_ + ": " + ending->error().text));
    } else {
      ended(**ending);
    }
  }

  // `status`: as waitpid() says it.
  void ended(int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return finish(std::move(text_));
    const std::string why = words_in(errors_);
    const std::string how = WIFEXITED(status)
                                ? "exit status " + std::to_string(WEXITSTATUS(status))
                                : "ended by signal " + std::to_string(WTERMSIG(status));
    finish(fail(ErrorKind::system, name_ + ": " + how + (why.empty() ? "" : ": " + why)));
  }

  // This must be the last statement: the receiver may destroy this object.
  void finish(Result<std::string> result) {
    readable_.reset();
    timer_.reset();
    look_.reset();
    const auto done = std::exchange(done_, nullptr);
    done(std::move(result));
  }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    (void)wait(0);
  }

  // How the program ended, as waitpid() says it with these options; nullopt: it still runs.
  std::optional<Result<int>> wait(int options) {
    int status = 0;
    pid_t ended = -1;
    do {
      ended = ::waitpid(pid_, &status, options);
    } while (ended < 0 && errno == EINTR);
    if (ended == 0) return std::nullopt;
    pid_ = -1;
    if (ended > 0) return status;
    // If SIGCHLD is ignored, the kernel keeps no exit status.
    return fail(
        ErrorKind::system,
        "its exit status is lost: SIGCHLD is ignored, or another part of the process took it");
  }

  Loop& loop_;
  const std::string name_;
  pid_t pid_;
  Fd output_, errors_;
  Done done_;
  std::string text_;
  SubscriptionPtr readable_, timer_, look_;
};

}  // namespace

std::optional<std::string> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  const std::string folders = std::string(path ? path : "") + ":/usr/local/sbin:/usr/sbin:/sbin";
  for (const std::string_view folder : split(folders, ':')) {
    if (!folder.starts_with('/')) continue;
    const std::string file = std::string(folder) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return std::nullopt;
}

Result<SubscriptionPtr> run_program(Loop& loop, ProgramCall call,
                                    std::function<void(Result<std::string>)> done) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("pipe");
  Fd output{ends[0]};
  const Fd program_output{ends[1]};
  const Fd input = TRY(memory_file(call.input));
  Fd errors = TRY(memory_file({}));
  if (::fcntl(output.get(), F_SETFL, O_NONBLOCK) != 0) return os_error("fcntl");
  const pid_t pid = TRY(spawn({.words = call.words,
                               .input = input.get(),
                               .output = program_output.get(),
                               .errors = errors.get()}));
  auto running = std::make_unique<RunningProgram>(loop, call.words[0], pid, std::move(output),
                                                  std::move(errors), std::move(done));
  TRY(running->follow(call.deadline));
  return running;
}

}  // namespace flannel
