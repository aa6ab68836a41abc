// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/registry.h"
#include "ctl/command.h"

namespace flannel {

// What the parts of a report are made of. Each source is asked once, and what it does not answer is
// an error of the parts that need it.
class ReportSources {
 public:
  // Both must outlive this object.
  ReportSources(const CtlOptions& options, const Terminal& terminal)
      : options_(options), terminal_(terminal) {}

  const CtlOptions& options() const { return options_; }
  Result<HostView> host() const;
  // Returns the answer of the flanneld of this host to a GET.
  Result<nlohmann::ordered_json> daemon(const std::string& path);
  // Returns the configuration and the records of the store.
  const Result<Snapshot>& snapshot();
  // Returns the value that the flanneld of this host has for a flag ("--subnet-file"), or what it
  // has by default.
  std::string setting(const std::string& flag, std::string by_default);
  // The passwords and tokens that this program has itself.
  std::vector<std::string> known_secrets() const;

 private:
  const CtlOptions& options_;
  const Terminal& terminal_;
  std::map<std::string, Result<nlohmann::ordered_json>> answers_;
  std::optional<Result<Snapshot>> snapshot_;
};

}  // namespace flannel
