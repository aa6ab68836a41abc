// SPDX-License-Identifier: Apache-2.0
#include "http/resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/thread.h"
#include "net/address.h"

namespace flannel {
namespace {

Error cannot_resolve(const std::string& name, const std::string& why) {
  return {ErrorKind::unavailable, name + " cannot be resolved: " + why};
}

Result<Resolver::Addresses> ask_the_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    const char* why = code == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(code);
    return tl::unexpected(cannot_resolve(name, why));
  }
  Resolver::Addresses addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) != 0) {
      continue;
    }
    if (std::ranges::count(addresses, text) == 0) addresses.emplace_back(text);
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return tl::unexpected(cannot_resolve(name, "it has no address"));
  return addresses;
}

}  // namespace

struct Resolver::State {
  using Clock = std::chrono::steady_clock;
  struct Entry {
    bool running = false;
    std::vector<Done> waiting;
    std::optional<Result<Addresses>> kept;
    Clock::time_point kept_until;
  };

  explicit State(LookUp by) : look_up(std::move(by)) {}

  void run(const std::string& name) {
    const auto begun = Clock::now();
    const Result<Addresses> answer = look_up(name);
    const auto ended = Clock::now();
    std::vector<Done> waiting;
    {
      const std::lock_guard lock(mutex);
      Entry& entry = entries[name];
      entry.running = false;
      waiting = std::exchange(entry.waiting, {});
      entry.kept.reset();
      if (answer && ended - begun > kMoment) {
        entry.kept = answer;
        entry.kept_until = ended + kKept;
      }
    }
    for (const Done& done : waiting)
      done(answer);
  }

  const LookUp look_up;
  std::mutex mutex;
  std::map<std::string, Entry> entries;
};

Resolver::Resolver() : Resolver(ask_the_system) {}

Resolver::Resolver(LookUp look_up) : state_(std::make_shared<State>(std::move(look_up))) {}

void Resolver::look_up(const std::string& name, Done done) {
  if (IpAddress::parse(name)) return done(Addresses{name});
  std::unique_lock lock(state_->mutex);
  State::Entry& entry = state_->entries[name];
  if (entry.kept && State::Clock::now() < entry.kept_until) {
    const Result<Addresses> kept = *entry.kept;
    lock.unlock();
    return done(kept);
  }
  entry.waiting.push_back(std::move(done));
  if (std::exchange(entry.running, true)) return;
  start_without_signals([state = state_, name] { state->run(name); }).detach();
}

Error Resolver::too_slow(const std::string& name) {
  return cannot_resolve(name, "no answer from the name server in time");
}

}  // namespace flannel
