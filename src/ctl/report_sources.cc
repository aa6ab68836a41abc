// SPDX-License-Identifier: Apache-2.0
#include "ctl/report_sources.h"

#include "ctl/control_client.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

Result<Snapshot> snapshot_of(const CtlOptions& options) {
  StoreSession store = TRY(StoreSession::open(options));
  return store.snapshot();
}

}  // namespace

Result<HostView> ReportSources::host() const {
  if (!terminal_.read_host) return fail(ErrorKind::unsupported, "this host is not read");
  return terminal_.read_host();
}

// A daemon that has not answered once is not asked again: each call would wait as long.
Result<Json> ReportSources::daemon(const std::string& path) {
  const auto failed = [](const auto& answer) { return !answer.second; };
  const auto known = answers_.find(path);
  if (known != answers_.end()) return known->second;
  for (const auto& answer : answers_) {
    if (failed(answer) && answer.second.error().kind == ErrorKind::unavailable) {
      return answer.second;
    }
  }
  return answers_.emplace(path, ask_daemon(options_, {"GET", path})).first->second;
}

const Result<Snapshot>& ReportSources::snapshot() {
  if (!snapshot_) snapshot_ = snapshot_of(options_);
  return *snapshot_;
}

std::string ReportSources::setting(const std::string& flag, std::string by_default) {
  const auto answer = daemon("/v1/options");
  if (!answer) return by_default;
  const Json& values = answer->value("options", Json::object()).value(flag, Json::array());
  if (!values.is_array() || values.empty() || !values[0].is_string()) return by_default;
  return values[0].get<std::string>();
}

std::vector<std::string> ReportSources::known_secrets() const {
  return {options_.store.password.text, options_.store.consul.token.text};
}

}  // namespace flannel
