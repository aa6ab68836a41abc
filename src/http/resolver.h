// SPDX-License-Identifier: Apache-2.0
// Names to addresses, by the resolver of the system. That can be waited for but not stopped, so
// each look-up has a thread of its own, and deadlines are the caller's. Usable from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace flannel {

class Resolver {
 public:
  using Addresses = std::vector<std::string>;  // "192.0.2.1", "2001:db8::1"; at least one
  using LookUp = std::function<Result<Addresses>(const std::string& name)>;
  using Done = std::function<void(const Result<Addresses>&)>;

  // An answer that took longer than a moment is kept for so long: who asks again after its deadline
  // finds it, and not every new connection waits for a slow name server.
  static constexpr std::chrono::seconds kKept{60};
  static constexpr std::chrono::seconds kMoment{1};

  Resolver();                         // by getaddrinfo
  explicit Resolver(LookUp look_up);  // blocks; called on the threads of the look-ups

  // `done` at once or later, on any thread, and possibly after the resolver is gone. A literal
  // address is its own answer. Errors say that the name cannot be resolved, and why.
  void look_up(const std::string& name, Done done);

  // What to say when the deadline of the caller came first.
  static Error too_slow(const std::string& name);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the threads that are still waiting
};

}  // namespace flannel
