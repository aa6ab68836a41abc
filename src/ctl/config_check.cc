// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "ctl/command.h"
#include "ctl/config_text.h"
#include "ctl/host_check.h"
#include "ctl/network_report.h"
#include "ctl/store_session.h"

namespace flannel {
namespace {

Result<std::string> text_in_store(const CtlOptions& options) {
  StoreSession store = TRY(StoreSession::open(options));
  Snapshot snapshot = TRY(store.snapshot());
  if (snapshot.config) return std::move(snapshot.config->text);
  return fail(ErrorKind::not_found, "there is no configuration in " + store.config_place() +
                                        "; name a file, or - or the JSON text to check that");
}

}  // namespace

Result<void> run_config_check(const CtlOptions& options, const Terminal& terminal) {
  const std::string text = options.words.empty()
                               ? TRY(text_in_store(options))
                               : TRY(read_config_text(options.words[0], terminal));
  const NetworkReport report = TRY(report_on(text, options.underlay_mtu));
  print_warnings(report.warnings, terminal);
  print_warnings(clashes_on_this_host(report.config, options, terminal), terminal);
  terminal.out << to_text(report);
  return {};
}

}  // namespace flannel
