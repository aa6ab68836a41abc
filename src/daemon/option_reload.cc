// SPDX-License-Identifier: Apache-2.0
#include "daemon/option_reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel {
namespace {

bool is_in(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

}  // namespace

OptionReload::OptionReload(const Options& running, Parts parts)
    : file_(running.environment_file),
      running_(running.settings),
      warnings_(running.warnings),
      parts_(std::move(parts)) {}

void OptionReload::reload() {
  if (file_.empty()) return;
  const auto wanted = read();
  if (!wanted) return refuse(wanted.error().text);
  take(*wanted);
}

Result<Options> OptionReload::read() const {
  CommandLine parsed = TRY(parts_.read());
  Options options = std::get<Options>(std::move(parsed));
  if (!options.skipped_lines.empty()) {
    return fail(ErrorKind::invalid, options.skipped_lines.front());
  }
  return options;
}

// The operator who asked gets an answer each time, also if the mistake is still the same.
void OptionReload::refuse(const std::string& why) {
  log::info("the options were read again and are not taken", {{"why", why}});
  problems_ = {
      make_problem(kOptionsUnreadable, file_, why + "; the running options stay in force")};
}

void OptionReload::take(const Options& wanted) {
  const ReloadPlan plan = plan_reload(running_, wanted.settings);
  warn_of(wanted.warnings);
  if (!plan.live.empty()) log::info("the options have changed", {{"given", wanted.given}});
  for (const std::string& name : plan.live)
    running_.insert_or_assign(name, wanted.settings.at(name));
  problems_.clear();
  for (const std::string& name : plan.restart) {
    problems_.push_back(make_problem(
        kOptionAtRestart, name,
        fmt::format("{} changed in {}; it takes effect at the next start", name, file_)));
  }
  parts_.apply(wanted);
}

void OptionReload::warn_of(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    if (!is_in(warnings_, warning)) log::warning(warning);
  }
  warnings_ = warnings;
}

}  // namespace flannel
