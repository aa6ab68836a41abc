// SPDX-License-Identifier: Apache-2.0
#include "registry/password.h"

#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace flannel {

Result<Password> Password::read(const std::string& file, std::string what) {
  std::string text = TRY_DURING(read_file(file, 4096), "read the " + what);
  // Editors end the file with a line break.
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty() || text.find('\n') != std::string::npos) {
    return fail(ErrorKind::invalid,
                "read the " + what + ": " + file + " does not hold one line with a " + what);
  }
  return Password{std::move(text), file, {}, std::move(what)};
}

bool Password::refresh() {
  if (file.empty()) return false;
  auto now = read(file, what);
  if (!now) {
    if (unreadable.first_time(now.error().text)) {
      log::warning("the " + what + " stays the old one", {{"why", now.error().text}});
    }
    return false;
  }
  unreadable.clear();
  if (now->text == text) return false;
  text = std::move(now->text);
  return true;
}

}  // namespace flannel
