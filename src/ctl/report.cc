// SPDX-License-Identifier: Apache-2.0
// Implements report: an archive for a bug report.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <ostream>

#include "base/file.h"
#include "base/gzip.h"
#include "base/redaction.h"
#include "core/network_config.h"
#include "core/network_name.h"
#include "ctl/anonymous.h"
#include "ctl/command.h"
#include "ctl/report_parts.h"
#include "ctl/tar_archive.h"
#include "ctl/text_table.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

using Clock = std::chrono::system_clock;
using Rows = std::vector<std::vector<std::string>>;

constexpr const char* kFolder = "flannel-report/";

void print_contents(std::ostream& out) {
  Rows rows = {{"FILE", "WHAT"}};
  for (const ReportPart& part : report_parts())
    rows.push_back({std::string(part.name), std::string(part.what)});
  out << text_table(rows);
}

struct ReportArchive {
  std::vector<ArchiveFile> files;
  Rows rows = {{"FILE", "BYTES", "WHAT"}};
};

// The networks of the overlay, as the configuration has them.
std::vector<IpPrefix> overlay_networks(ReportSources& sources) {
  const Result<Snapshot>& snapshot = sources.snapshot();
  if (!snapshot || !snapshot->config) return {};
  const auto parsed = parse_network_config(snapshot->config->text);
  return parsed ? parsed->config.networks() : std::vector<IpPrefix>();
}

// Cleans what is written of others.
using Cleaner = std::function<std::string(std::string_view)>;

// Those of a daemon with several, unless --network names one; else none.
std::vector<std::string> names_of_networks(ReportSources& sources) {
  std::vector<std::string> names;
  if (!sources.options().network.empty()) return names;
  const auto answer = sources.daemon("/v1/networks");
  const Json list = answer ? answer->value("networks", Json::array()) : Json::array();
  for (const Json& network : list) {
    std::string name = network.is_object() ? network.value("name", "") : "";
    if (check_network_name(name)) names.push_back(std::move(name));
  }
  return names;
}

// What cannot be had is in the archive with the reason in its place. `folder`: of the files below
// kFolder, with a slash at its end.
void add_part(const ReportPart& part, ReportSources& sources, const std::string& folder,
              const Cleaner& cleaned, ReportArchive& report) {
  const auto made = part.make(sources);
  const std::string error = made ? "" : cleaned(made.error().text);
  std::string text = made ? cleaned(*made) : "error: " + error + "\n";
  const std::string name = folder + std::string(part.name);
  report.rows.push_back(
      {name, std::to_string(text.size()), made ? std::string(part.what) : "not there: " + error});
  report.files.push_back({kFolder + name, std::move(text)});
}

// Each network of a daemon with several has a folder, unless `options` name one.
ReportArchive make_report(const CtlOptions& options, const Terminal& terminal) {
  ReportSources sources(options, terminal);
  std::vector<CtlOptions> networks;
  for (const std::string& name : names_of_networks(sources))
    networks.push_back(in_network(options, name));
  std::vector<ReportSources> each;
  for (const CtlOptions& one : networks)
    each.emplace_back(one, terminal);
  const std::vector<std::string> secrets = sources.known_secrets();
  std::vector<IpPrefix> ranges;
  for (ReportSources& one : each)
    std::ranges::move(overlay_networks(one), std::back_inserter(ranges));
  if (networks.empty()) ranges = overlay_networks(sources);
  Anonymous anonymous(options.anonymous ? ranges : std::vector<IpPrefix>());
  const auto cleaned = [&](std::string_view text) {
    std::string clean = without_secrets(text, secrets);
    return options.anonymous ? anonymous.text(clean) : clean;
  };
  ReportArchive report;
  for (const ReportPart& part : report_parts()) {
    if (part.scope == ReportScope::host || networks.empty()) {
      add_part(part, sources, "", cleaned, report);
      continue;
    }
    for (ReportSources& one : each)
      add_part(part, one, "networks/" + one.options().network + "/", cleaned, report);
  }
  return report;
}

std::string default_file(Clock::time_point now) {
  return fmt::format("flannel-report-{:%Y%m%dT%H%M%SZ}.tar.gz",
                     fmt::gmtime(std::chrono::floor<std::chrono::seconds>(now)));
}

}  // namespace

Result<void> run_report(const CtlOptions& options, const Terminal& terminal) {
  if (options.list) {
    print_contents(terminal.out);
    return {};
  }
  const auto now = Clock::now();
  const ReportArchive report = make_report(options, terminal);
  const auto time = static_cast<std::uint64_t>(Clock::to_time_t(now));
  const std::string archive = TRY(gzipped(tar_of(report.files, time)));
  const std::string file = options.output.empty() ? default_file(now) : options.output;
  TRY(write_file_atomically(file, archive, 0600));
  terminal.out << text_table(report.rows) << "written to " << file << "; secrets are hidden, "
               << (options.anonymous ? "addresses are others, names are not hidden"
                                     : "addresses and names are not")
               << ": look into it before you give it away\n";
  return {};
}

}  // namespace flannel
