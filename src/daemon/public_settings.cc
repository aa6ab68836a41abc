// SPDX-License-Identifier: Apache-2.0
#include "daemon/public_settings.h"

#include "base/redaction.h"

namespace flannel {

Settings public_settings(const Settings& settings) {
  Settings shown = settings;
  for (auto& [name, values] : shown) {
    // FLANNEL_OPTIONS has flags, also secret ones; those in force are here by their own names.
    const bool hide = names_secret(name) || name == "FLANNEL_OPTIONS";
    for (std::string& value : values) {
      if (!value.empty()) value = hide ? std::string(kHidden) : without_secrets(value);
    }
  }
  return shown;
}

}  // namespace flannel
