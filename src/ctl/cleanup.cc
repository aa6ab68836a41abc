// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ostream>

#include "ctl/command.h"
#include "ctl/flannel_rules.h"
#include "ctl/running_daemons.h"
#include "kernel/objects/leftovers.h"

namespace flannel {
namespace {

Result<void> refuse_under_a_daemon() {
  const auto daemons = TRY_DURING(running_daemons(), "cleanup without --force");
  if (daemons.empty()) return {};
  return fail(ErrorKind::conflict,
              fmt::format("a flanneld runs here (process {}) and would put it back; stop it first, "
                          "or say --force",
                          fmt::join(daemons, ", ")));
}

// Prints what happens to each object, and counts them.
class Report {
 public:
  Report(const Terminal& terminal, bool dry_run) : terminal_(terminal), dry_run_(dry_run) {}

  void removed(const std::string& what) {
    ++count_;
    terminal_.out << (dry_run_ ? "would remove " : "removed ") << what << "\n";
  }
  void failed(const std::string& why) {
    ++failures_;
    terminal_.err << "flannelctl: " << why << "\n";
  }

  Result<void> end() const {
    if (failures_ > 0) {
      return fail(ErrorKind::system,
                  fmt::format("{} failed, the rest is done; run it again", failures_));
    }
    if (count_ == 0) terminal_.out << "nothing of flanneld is here\n";
    return {};
  }

 private:
  const Terminal& terminal_;
  bool dry_run_;
  std::size_t count_ = 0;
  std::size_t failures_ = 0;
};

Result<void> remove_kernel_objects(const CtlOptions& options, Report& report) {
  NetlinkSocket socket = TRY(NetlinkSocket::open());
  auto leftovers = TRY(find_leftovers(socket));
  if (options.backend != "all") {
    std::erase_if(leftovers, [&](const Leftover& one) { return one.backend != options.backend; });
  }
  std::vector<Result<void>> results(leftovers.size());
  if (!options.dry_run) results = remove_leftovers(socket, leftovers);
  for (std::size_t i = 0; i < leftovers.size(); ++i) {
    if (results[i]) {
      report.removed(leftovers[i].text);
    } else {
      report.failed(results[i].error().text);
    }
  }
  return {};
}

void remove_rules(const CtlOptions& options, Report& report) {
  std::vector<std::string> unseen;
  for (const FlannelRules& rules : find_flannel_rules(unseen)) {
    const auto done = options.dry_run ? Result<void>() : rules.remove();
    if (!done) {
      report.failed(done.error().text);
      continue;
    }
    for (const std::string& line : rules.lines)
      report.removed(line);
  }
  for (const std::string& why : unseen)
    report.failed(why);
}

}  // namespace

// Removes the rules first, because while they exist the packets that they concern still pass.
Result<void> run_cleanup(const CtlOptions& options, const Terminal& terminal) {
  if (!options.force && !options.dry_run) TRY(refuse_under_a_daemon());
  Report report(terminal, options.dry_run);
  if (options.backend == "all") remove_rules(options, report);
  TRY(remove_kernel_objects(options, report));
  return report.end();
}

}  // namespace flannel
