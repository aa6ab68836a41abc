// SPDX-License-Identifier: Apache-2.0
#include "ctl/report_parts.h"

#include <filesystem>

#include "base/file.h"
#include "base/redaction.h"
#include "core/json_text.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

// `secret`: all that is in it.
Json hide(Json json, bool secret) {
  if (json.is_structured()) {
    for (auto& [name, value] : json.items())
      value = hide(std::move(value), secret || (json.is_object() && names_secret(name)));
    return json;
  }
  const bool says_nothing = json.is_null() || json.is_boolean() || json == "";
  return secret && !says_nothing ? Json(kHidden) : json;
}

// What others have stored, as JSON if it is some.
Json stored(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json(text) : json;
}

Result<std::string> answer_of(ReportSources& sources, const std::string& path) {
  return json_text(without_secret_members(TRY(sources.daemon(path))));
}

Result<std::string> report_status(ReportSources& sources) {
  return answer_of(sources, "/v1/status");
}
Result<std::string> report_peers(ReportSources& sources) {
  return answer_of(sources, "/v1/peers");
}
Result<std::string> report_diff(ReportSources& sources) {
  return answer_of(sources, "/v1/diff");
}
Result<std::string> report_events(ReportSources& sources) {
  return answer_of(sources, "/v1/events");
}
Result<std::string> report_options(ReportSources& sources) {
  return answer_of(sources, "/v1/options");
}

Result<std::string> report_metrics(ReportSources& sources) {
  const Json answer = TRY(sources.daemon("/v1/metrics"));
  const auto text = answer.find("metrics");
  if (text == answer.end() || !text->is_string()) {
    return fail(ErrorKind::invalid, "the answer of flanneld has no metrics");
  }
  return text->get<std::string>();
}

Result<std::string> report_subnet_file(ReportSources& sources) {
  const std::filesystem::path file(sources.setting("--subnet-file", "/run/flannel/subnet.env"));
  const std::string& network = sources.options().network;
  if (network.empty()) return read_file(file);
  return read_file(file.parent_path() / "networks" / (network + ".env"));
}

Result<std::string> report_config(ReportSources& sources) {
  const Result<Snapshot>& snapshot = sources.snapshot();
  if (!snapshot) return Failure(snapshot.error());
  if (!snapshot->config) return fail(ErrorKind::not_found, "the store has no configuration");
  return json_text(without_secret_members(stored(snapshot->config->text)));
}

Result<std::string> report_leases(ReportSources& sources) {
  const Result<Snapshot>& snapshot = sources.snapshot();
  if (!snapshot) return Failure(snapshot.error());
  Json records = Json::array();
  for (const Record& record : snapshot->records) {
    records.push_back({{"key", record.key},
                       {"value", stored(record.value)},
                       {"revision", record.revision},
                       {"expires", record.expires()}});
  }
  return json_text(without_secret_members(std::move(records)));
}

constexpr ReportScope kHost = ReportScope::host, kNetwork = ReportScope::network;

constexpr ReportPart kParts[] = {
    {kHost, "release.txt", "releases of flannelctl and of the kernel, and the time",
     report_release},
    {kNetwork, "status.json", "what flanneld does and what is wrong", report_status},
    {kHost, "options.json", "the options of flanneld, secrets hidden", report_options},
    {kNetwork, "peers.json", "the other hosts as flanneld knows them", report_peers},
    {kHost, "events.json", "the last lines of flanneld's log", report_events},
    {kNetwork, "diff.json", "kernel objects that are missing or not wanted", report_diff},
    {kHost, "metrics.txt", "the metrics of flanneld", report_metrics},
    {kNetwork, "subnet.env", "the file for container runtimes", report_subnet_file},
    {kNetwork, "config.json", "the configuration in the store, secrets hidden", report_config},
    {kNetwork, "leases.json", "the lease records in the store", report_leases},
    {kHost, "host.txt", "interfaces, addresses and routes of this host", report_host},
    {kHost, "objects.txt", "devices, routes and rules that flanneld made", report_objects},
    {kHost, "rules.txt", "the nftables tables of flanneld", report_rules},
    {kHost, "sysctls.txt", "settings of the kernel that matter", report_sysctls},
    {kHost, "docker.json", "the release of Docker, if it answers", report_docker},
};

}  // namespace

Json without_secret_members(Json json) {
  return hide(std::move(json), false);
}

std::span<const ReportPart> report_parts() {
  return kParts;
}

}  // namespace flannel
