// SPDX-License-Identifier: Apache-2.0
#include "charon/charon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"
#include "kernel/process/charon_rights.h"
#include "kernel/process/spawn.h"

namespace flannel {
namespace {

// A service that is restarted is back sooner.
constexpr std::chrono::seconds kServicePause{5};
// A charon that has not opened its socket by then never will.
constexpr std::chrono::seconds kSocketPause{20};
constexpr std::chrono::seconds kWithdrawal{5};

// Alpine and Arch; Debian; Fedora; openSUSE.
constexpr auto kPlaces =
    std::to_array<const char*>({"/usr/lib/strongswan/charon", "/usr/lib/ipsec/charon",
                                "/usr/libexec/strongswan/charon", "/usr/libexec/ipsec/charon"});

// By this variable a later run knows a charon that flanneld has started.
constexpr const char* kStartedHere = "FLANNEL_CHARON=yes";

// True if the process that listens at the other end was started by flanneld.
bool is_of_flanneld(const Fd& socket) {
  ucred listener{};
  socklen_t size = sizeof listener;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0) return false;
  std::ifstream environment(fmt::format("/proc/{}/environ", listener.pid));
  std::string variable;
  while (std::getline(environment, variable, '\0')) {
    if (variable == kStartedHere) return true;
  }
  return false;
}

// The variables that charon gets: none has a secret of ours.
std::vector<std::string> charon_environment() {
  std::vector<std::string> all = {kStartedHere};
  for (const char* name : {"PATH", "STRONGSWAN_CONF", "TZ", "LANG"}) {
    if (const char* value = std::getenv(name)) all.push_back(fmt::format("{}={}", name, value));
  }
  return all;
}

std::string end_in_words(int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

// nullopt: it still runs.
std::optional<int> reap(pid_t child, int options) {
  int status = 0;
  pid_t reaped = -1;
  do {
    reaped = ::waitpid(child, &status, options);
  } while (reaped < 0 && errno == EINTR);
  if (reaped == 0) return std::nullopt;
  return status;
}

}  // namespace

std::optional<std::string> find_charon() {
  const char* path = std::getenv("PATH");
  std::string_view folders = path ? path : "";
  while (!folders.empty()) {
    const auto end = folders.find(':');
    const std::string program = std::string(folders.substr(0, end)) + "/charon";
    if (program.front() == '/' && ::access(program.c_str(), X_OK) == 0) return program;
    folders = end == folders.npos ? std::string_view() : folders.substr(end + 1);
  }
  for (const char* program : kPlaces) {
    if (::access(program, X_OK) == 0) return program;
  }
  return std::nullopt;
}

bool may_start_charon() {
  if (!find_charon()) return false;
  const auto there = connect_to_charon(kViciSocket);
  return !there || is_of_flanneld(*there);
}

Charon::Charon(IpsecSettings settings, Parts parts)
    : settings_(std::move(settings)),
      parts_(std::move(parts)),
      connections_({.loop = parts_.loop, .on_state = [this] { on_connections(); }}) {
  retry_.arm(parts_.loop.now());
}

Charon::~Charon() = default;

void Charon::set_settings(const IpsecSettings& settings) {
  if (settings == settings_) return;
  settings_ = settings;
  if (peers_) connections_.set_wanted(settings_, *peers_);
}

void Charon::set_peers(std::vector<IpsecPeer> peers) {
  if (peers == peers_) return;
  peers_ = std::move(peers);
  connections_.set_wanted(settings_, *peers_);
}

void Charon::connect() {
  ended_.reset();
  if (session_ || withdrawn_) return;
  auto opened = ViciSession::open(parts_.loop, parts_.socket,
                                  [this](std::string why) { lost(std::move(why)); });
  if (opened) {
    session_ = *std::move(opened);
    failure_.clear();
    session_since_ = parts_.loop.now();
    log::info("connected to charon", {{"socket", parts_.socket}});
    connections_.connected(*session_);
  } else {
    const std::string tried = try_to_start();
    failure_ = opened.error().text + (tried.empty() ? "" : "; " + tried);
    retry_.arm_after(pauses_.next());
  }
  parts_.on_state();
}

void Charon::lost(std::string why) {
  log::warning("the connection to charon has ended", {{"why", why}});
  connections_.disconnected();
  ended_ = std::move(session_);
  failure_ = std::move(why);
  if (child_ < 0) start_due_ = parts_.loop.now() + kServicePause;
  // A charon that ends each connection is not asked again at once, for ever.
  if (parts_.loop.now() - session_since_ > kServicePause) pauses_.reset();
  retry_.arm_after(pauses_.next());
  if (withdrawn_) withdrawn_due_.arm(parts_.loop.now());
  parts_.on_state();
}

// Returns why none is started, or could not be; empty: one is starting, or another may come back.
std::string Charon::try_to_start() {
  if (child_ >= 0) {
    if (parts_.loop.now() > child_since_ + kSocketPause) ::kill(child_, SIGTERM);
    return "charon is starting";
  }
  if (parts_.loop.now() < start_due_ || withdrawn_) return {};
  const auto program = find_charon();
  if (!program) return "charon is not installed here";
  if (std::string missing = missing_charon_rights(); !missing.empty()) return missing;
  start_due_ = parts_.loop.now() + kServicePause;
  const auto started = start_child(*program);
  return started ? "charon is starting" : started.error().text;
}

// It has standard output and error of this process, as with upstream. A process group of its own
// keeps the keys of a terminal from it.
Result<void> Charon::start_child(const std::string& program) {
  const Fd none{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  if (!none) return os_error("open /dev/null");
  const std::vector<std::string> environment = charon_environment();
  child_ = TRY(spawn({.words = {program},
                      .input = none.get(),
                      .output = STDOUT_FILENO,
                      .errors = STDERR_FILENO,
                      .environment = &environment,
                      .leads_group = true}));
  child_since_ = parts_.loop.now();
  log::info("charon was started", {{"program", program}, {"pid", child_}});
  child_fd_ = Fd{static_cast<int>(::syscall(SYS_pidfd_open, child_, 0))};
  if (!child_fd_) return os_error("pidfd_open");
  child_watch_ =
      TRY(parts_.loop.watch_fd(child_fd_.get(), EPOLLIN, [this](std::uint32_t) { child_ended(); }));
  return {};
}

void Charon::child_ended() {
  const auto status = reap(child_, WNOHANG);
  if (!status) return;
  log::warning("charon has ended", {{"pid", child_}, {"how", end_in_words(*status)}});
  child_watch_.reset();
  child_ = -1;
  start_due_ = std::max(parts_.loop.now(), child_since_ + kServicePause);
  if (withdrawn_) withdrawn_due_.arm(parts_.loop.now());
}

void Charon::on_connections() {
  if (withdrawn_ && connections_.is_empty()) withdrawn_due_.arm(parts_.loop.now());
  parts_.on_state();
}

void Charon::withdraw(std::function<void()> done) {
  withdrawn_ = std::move(done);
  withdrawn_due_.arm_after(session_ ? kWithdrawal : Duration::zero());
  set_peers({});
  on_connections();
}

// Called when all is unloaded, when charon has ended, and when it is late.
void Charon::end_withdrawal() {
  if (child_ >= 0 && session_) {
    log::info("charon is ended, which was started here", {{"pid", child_}});
    session_.reset();
    connections_.disconnected();
    ::kill(child_, SIGTERM);
    withdrawn_due_.arm_after(kWithdrawal);
    return;
  }
  if (child_ >= 0) {
    child_watch_.reset();
    ::kill(child_, SIGKILL);
    reap(child_, 0);
    child_ = -1;
  }
  retry_.cancel();
  if (const auto done = std::exchange(withdrawn_, nullptr)) done();
}

void Charon::append_problems(std::vector<Problem>& all) const {
  if (!session_ && !failure_.empty()) {
    all.push_back(make_problem(kCharonAway, "", "charon cannot be asked for keys: " + failure_));
  }
  connections_.append_problems(all);
}

}  // namespace flannel
