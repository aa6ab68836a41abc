// SPDX-License-Identifier: Apache-2.0
#include "ctl/control_client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/parse.h"
#include "base/printable.h"
#include "core/control_socket.h"
#include "ctl/wait_for_answer.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

Failure no_daemon(const CtlOptions& options, const Error& why) {
  const std::string& path = options.control_socket;
  if (::access(path.c_str(), W_OK) != 0 && errno == EACCES) {
    return fail(ErrorKind::denied,
                "connect " + path + ": permission denied; root and the group flannel may");
  }
  return fail(ErrorKind::unavailable,
              fmt::format("no flanneld answers on this host: {}; is it running (systemctl status "
                          "flanneld), and is {} its --control-socket?",
                          why.text, path));
}

}  // namespace

Result<HttpEnd> call_unix_socket(const std::string& path, const std::string& host, HttpCall call,
                                 std::chrono::milliseconds timeout) {
  const auto loop = TRY(EpollLoop::open());
  HttpAccess access;
  access.target.url = path;
  access.target.host = host;
  access.socket = path;
  HttpConnection connection(std::move(access), false, *loop);
  const auto ask = [&](Reply<HttpEnd> reply) {
    connection.send(std::move(call),
                    {.on_head = {}, .on_end = [reply](HttpEnd end) { reply(std::move(end)); }});
  };
  auto answer = wait_for_answer<HttpEnd>(*loop, ask, BootClock::now() + timeout);
  if (answer) return *std::move(answer);
  return fail(ErrorKind::unavailable,
              fmt::format("no answer within {} ms (--timeout)", timeout.count()));
}

Result<Json> ask_daemon(const CtlOptions& options, ControlCall call) {
  const std::string what = call.method + " " + call.path;
  if (!options.network.empty()) call.path += "?network=" + options.network;
  auto end = call_unix_socket(options.control_socket, "flanneld",
                              {.method = std::move(call.method),
                               .path = std::move(call.path),
                               .body = std::move(call.body),
                               .content_type = "application/json"},
                              options.timeout);
  if (!end) return no_daemon(options, end.error());
  if (!end->body) return no_daemon(options, end->body.error());
  const Json json = Json::parse(*end->body, nullptr, false);
  if (end->head.status == 503 && !json.is_object()) {
    return fail(ErrorKind::unavailable,
                fmt::format("ask flanneld {}: {}", what, printable(trim(*end->body))));
  }
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::invalid, fmt::format("ask flanneld {}: {}", what, why));
  };
  if (!json.is_object() || !json.contains("version") || json["version"] != kControlVersion) {
    return refuse(
        fmt::format("its answer ({}) is not of this release: use the flannelctl of the "
                    "same package",
                    end->head.status));
  }
  if (end->head.status == 200) return json;
  return refuse(printable(json.value("error", "no reason given")));
}

Result<std::vector<std::string>> networks_asked_for(const CtlOptions& options) {
  if (!options.network.empty()) return std::vector{options.network};
  const auto answer = ask_daemon(options, {"GET", "/v1/networks"});
  // A daemon of an earlier release refuses it, and has one.
  if (!answer && answer.error().kind != ErrorKind::invalid) return Failure(answer.error());
  std::vector<std::string> names;
  for (const Json& network : answer ? answer->value("networks", Json::array()) : Json::array()) {
    if (network.is_object()) names.push_back(network.value("name", ""));
  }
  if (!answer || !answer->contains("networks")) names.emplace_back();
  return names;
}

Result<void> check_network_is_named(const CtlOptions& options) {
  const std::vector<std::string> names = TRY(networks_asked_for(options));
  if (!options.network.empty() || (!names.empty() && names.front().empty())) return {};
  if (names.empty()) {
    return fail(ErrorKind::conflict,
                "flanneld has no network yet; it takes part in those of its store (--networks=*)");
  }
  return fail(ErrorKind::conflict,
              fmt::format("flanneld has the networks {}: --network=NAME says which one is meant",
                          fmt::join(names, ", ")));
}

}  // namespace flannel
