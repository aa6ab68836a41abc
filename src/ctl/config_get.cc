// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "base/parse.h"
#include "base/printable.h"
#include "ctl/command.h"
#include "ctl/store_session.h"

namespace flannel {

Result<void> run_config_get(const CtlOptions& options, const Terminal& terminal) {
  StoreSession store = TRY(StoreSession::open(options));
  const Snapshot snapshot = TRY(store.snapshot());
  if (!snapshot.config) {
    return fail(ErrorKind::not_found, "there is no configuration in " + store.config_place() +
                                          "; write one with `flannelctl config set`");
  }
  // Prints line by line with escapes, since the stored text may contain anything.
  for (const std::string_view line : split(trim(snapshot.config->text), '\n')) {
    for (const std::string_view part : split(line, '\t')) {
      if (part.data() != line.data()) terminal.out << '\t';
      terminal.out << printable(part);
    }
    terminal.out << '\n';
  }
  return {};
}

}  // namespace flannel
