// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "ctl/command.h"
#include "http/client.h"

namespace flannel {

// The hexadecimal digits of a node id that are shown to people.
inline constexpr std::size_t kShortNode = 8;

// A call of the running daemon by its control socket: docs/control-api.md.
struct ControlCall {
  std::string method;
  std::string path;
  std::string body = {};
};

// Returns the answer, an object, about the network of `options`. ErrorKind::unavailable: no daemon
// answers in time; denied: this user may not ask it; invalid: the daemon refuses the call, or is of
// an incompatible release.
Result<nlohmann::ordered_json> ask_daemon(const CtlOptions& options, ControlCall call);

// Returns the names of the networks that a command is about: the one of `options`, or else all of
// the daemon, of which there may be none; an empty name: its only one, which has none. The errors
// are those of ask_daemon().
Result<std::vector<std::string>> networks_asked_for(const CtlOptions& options);
// ErrorKind::conflict: the networks of the daemon have names, and `options` has none of them. A
// command that also uses the store is about one network. Other errors are those of ask_daemon().
Result<void> check_network_is_named(const CtlOptions& options);

// Makes a call over the unix socket `path`, whose answer is the caller's to judge. `host`: the Host
// of the request. ErrorKind::unavailable: there is no answer within `timeout`.
Result<HttpEnd> call_unix_socket(const std::string& path, const std::string& host, HttpCall call,
                                 std::chrono::milliseconds timeout);

}  // namespace flannel
