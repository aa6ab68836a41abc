// SPDX-License-Identifier: Apache-2.0
#include "status/pages.h"

#include <algorithm>

#include "base/printable.h"
#include "base/version.h"
#include "core/json_text.h"
#include "status/metrics.h"
#include "status/status_json.h"

namespace flannel {
namespace {

bool is_ready(const NetworkStatuses& networks, const DaemonStatus& daemon) {
  return daemon.ready &&
         std::ranges::all_of(networks, [](const auto& one) { return one.second->ready; });
}

std::string short_text(const NetworkStatuses& networks, const DaemonStatus& daemon) {
  std::string text = is_ready(networks, daemon) ? "flanneld is ready" : "flanneld is not ready yet";
  for (const std::string& one : sentences(daemon.problems))
    text += "\n" + printable(one);
  for (const auto& [name, status] : networks) {
    const std::string before = name.empty() ? "" : "network " + name + ": ";
    for (const std::string& one : sentences(status->problems))
      text += "\n" + before + printable(one);
  }
  return text;
}

Json verbose_json(const NetworkStatuses& networks, const DaemonStatus& daemon, TimePoint now) {
  Json json = {{"version", version()}};
  if (is_unnamed(networks)) {
    json.update(status_json(*networks.begin()->second, now));
    return json;
  }
  json["ready"] = is_ready(networks, daemon);
  json["problems"] = problems_json(daemon.problems, now);
  Json& each = json["networks"] = Json::object();
  for (const auto& [name, status] : networks)
    each[name] = status_json(*status, now);
  return json;
}

}  // namespace

HttpResponse status_page(const HttpRequest& request, const NetworkStatuses& networks,
                         const DaemonStatus& daemon, TimePoint now) {
  if (request.path == "/healthz") return {200, "flanneld is running"};
  if (request.path == "/metrics") {
    return {200, metrics_text(networks, now), "text/plain; version=0.0.4; charset=utf-8"};
  }
  if (request.path != "/readyz") return {404, "404 page not found"};
  const int code = is_ready(networks, daemon) ? 200 : 503;
  if (!request.asks("verbose")) return {code, short_text(networks, daemon)};
  return {code, json_text(verbose_json(networks, daemon, now)), "application/json"};
}

}  // namespace flannel
