// SPDX-License-Identifier: Apache-2.0
// The parts of a report: a table, and a function for each.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ctl/report_sources.h"

namespace flannel {

// What a part is about.
enum class ReportScope { host, network };

struct ReportPart {
  ReportScope scope;
  std::string_view name;  // of the file
  std::string_view what;  // for people
  // Returns the text, from which without_secrets() takes secrets afterwards; what is a secret
  // because of the name of its member in JSON is hidden already.
  Result<std::string> (*make)(ReportSources& sources);
};
std::span<const ReportPart> report_parts();

// Those about the host, which need neither flanneld nor the store.
Result<std::string> report_release(ReportSources& sources);
Result<std::string> report_host(ReportSources& sources);
Result<std::string> report_objects(ReportSources& sources);
Result<std::string> report_sysctls(ReportSources& sources);
Result<std::string> report_rules(ReportSources& sources);
Result<std::string> report_docker(ReportSources& sources);

// Returns `json` with kHidden in place of each text and number whose name says that it is a secret.
nlohmann::ordered_json without_secret_members(nlohmann::ordered_json json);

}  // namespace flannel
