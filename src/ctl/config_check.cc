// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ostream>

#include "base/printable.h"
#include "ctl/change_report.h"
#include "ctl/command.h"
#include "ctl/config_text.h"
#include "ctl/host_check.h"
#include "ctl/network_report.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

// A text is checked with or without a store, so a missing store must not take long.
constexpr std::chrono::milliseconds kLongestSearchForStore{2000};

Result<Snapshot> read_store(const CtlOptions& options) {
  StoreSession store = TRY(StoreSession::open(options));
  return store.snapshot();
}

Result<std::string> text_in_store(const CtlOptions& options) {
  StoreSession store = TRY(StoreSession::open(options));
  Snapshot snapshot = TRY(store.snapshot());
  if (snapshot.config) return std::move(snapshot.config->text);
  return fail(ErrorKind::not_found, "there is no configuration in " + store.config_place() +
                                        "; name a file, or - or the JSON text to check that");
}

// Prints what the configuration would change on hosts. Without a store there are no hosts to speak
// of, which is no error.
void print_change(const NetworkReport& report, CtlOptions options, const Terminal& terminal) {
  options.timeout = std::min(options.timeout, kLongestSearchForStore);
  const auto snapshot = read_store(options);
  if (!snapshot) {
    if (snapshot.error().kind == ErrorKind::not_found) return;
    terminal.err << "flannelctl: not compared with a store: " << printable(snapshot.error().text)
                 << "\n";
    return;
  }
  const ChangeReport change = report_on_change(*snapshot, report);
  print_warnings(objections_in(change), terminal);
  terminal.out << to_text(change);
}

}  // namespace

Result<void> run_config_check(const CtlOptions& options, const Terminal& terminal) {
  const bool is_in_store = options.words.empty();
  const std::string text =
      is_in_store ? TRY(text_in_store(options)) : TRY(read_config_text(options.words[0], terminal));
  const NetworkReport report = TRY(report_on(text, options.underlay_mtu));
  print_warnings(report.warnings, terminal);
  print_warnings(clashes_on_this_host(report.config, options, terminal), terminal);
  terminal.out << to_text(report);
  if (!is_in_store) print_change(report, options, terminal);
  return {};
}

}  // namespace flannel
