// SPDX-License-Identifier: Apache-2.0
#include "daemon/subnet_file.h"

#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace flannel {

std::optional<SubnetKey> SubnetFile::previous_subnet() const {
  const auto text = read_file(path_);
  if (text) return decode_previous_subnet(*text);
  if (text.error().kind != ErrorKind::not_found) {
    log::warning("subnet file of an earlier run not used", {{"why", text.error().text}});
  }
  return std::nullopt;
}

std::vector<IpPrefix> SubnetFile::previous_networks() const {
  const auto text = read_file(path_);
  return text ? decode_previous_networks(*text) : std::vector<IpPrefix>();
}

Result<void> SubnetFile::write(const SubnetEnv& env) {
  if (written_ == env) return {};
  const auto done = write_file_atomically(path_, encode_subnet_env(env), 0644);
  if (!done) {
    return fail(done.error().kind,
                done.error().text + "; --subnet-file= can name a file elsewhere");
  }
  if (*done == Written::in_place && !std::exchange(in_place_, true)) {
    log::warning("the subnet file is written where it is, for it cannot be replaced",
                 {{"file", path_},
                  {"why", "it is a mount of its own, or its folder is read-only"},
                  {"better", "mount its folder, not the file"}});
  }
  if (written_ && written_->mtu != env.mtu) {
    log::warning(
        "the MTU has changed; containers keep theirs until what reads the file, such as "
        "Docker, is restarted",
        {{"mtu", env.mtu}, {"was", written_->mtu}});
  }
  written_ = env;
  log::info("Wrote subnet file to " + path_, {{"mtu", env.mtu}});
  return {};
}

}  // namespace flannel
