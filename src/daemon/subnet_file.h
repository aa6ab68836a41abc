// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/subnet_env.h"
#include "net/address.h"

namespace flannel {

// The file of --subnet-file, which docs/subnet-env.md describes. Logs everything but failures.
class SubnetFile {
 public:
  explicit SubnetFile(std::string path) : path_(std::move(path)) {}

  // Returns the subnet of an earlier run; nullopt if the file has none or cannot be read.
  std::optional<SubnetKey> previous_subnet() const;
  // Returns the networks of an earlier run, at most one of each family.
  std::vector<IpPrefix> previous_networks() const;
  // Writes the file, unless `env` equals what was last written.
  Result<void> write(const SubnetEnv& env);

 private:
  const std::string path_;
  std::optional<SubnetEnv> written_;
  bool in_place_ = false;  // the file was written in place, and this has been logged
};

}  // namespace flannel
