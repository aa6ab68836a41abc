// SPDX-License-Identifier: Apache-2.0
#include "status/pages.h"

#include "base/printable.h"
#include "base/version.h"
#include "core/json_text.h"
#include "status/metrics.h"
#include "status/status_json.h"

namespace flannel {
namespace {

std::string short_text(const StatusSnapshot& status) {
  std::string text = status.ready ? "flanneld is ready" : "flanneld is not ready yet";
  for (const std::string& one : sentences(status.problems))
    text += "\n" + printable(one);
  return text;
}

}  // namespace

HttpResponse status_page(const HttpRequest& request, const StatusSnapshot& status, TimePoint now) {
  if (request.path == "/healthz") return {200, "flanneld is running"};
  if (request.path == "/metrics") {
    return {200, metrics_text(status, now), "text/plain; version=0.0.4; charset=utf-8"};
  }
  if (request.path != "/readyz") return {404, "404 page not found"};
  const int code = status.ready ? 200 : 503;
  if (!request.asks("verbose")) return {code, short_text(status)};
  Json json = {{"version", version()}};
  json.update(status_json(status, now));
  return {code, json_text(json), "application/json"};
}

}  // namespace flannel
