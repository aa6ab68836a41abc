// SPDX-License-Identifier: Apache-2.0
#include "daemon/subnet_file.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/problem_kinds.h"

namespace flannel {
namespace {

constexpr auto kFileRetry = std::chrono::seconds(5);

}  // namespace

std::optional<SubnetKey> read_previous_subnet(const std::string& path) {
  const auto text = read_file(path);
  if (text) return decode_previous_subnet(*text);
  if (text.error().kind != ErrorKind::not_found) {
    log::warning("subnet file of an earlier run not used", {{"why", text.error().text}});
  }
  return std::nullopt;
}

std::vector<IpPrefix> read_previous_networks(const std::string& path) {
  const auto text = read_file(path);
  return text ? decode_previous_networks(*text) : std::vector<IpPrefix>();
}

void SubnetFile::write(const SubnetEnv& env) {
  retry_.cancel();
  if (auto done = try_to_write(env); !done) {
    failure_ = std::move(done).error().text;
    retry_.arm_after(kFileRetry);
    return;
  }
  failure_.clear();
}

void SubnetFile::remove() {
  retry_.cancel();
  failure_.clear();
  written_.reset();
  if (::unlink(parts_.path.c_str()) == 0 || errno == ENOENT) return;
  const Error why = os_error("remove it").value();
  log::warning("the subnet file stays", {{"file", parts_.path}, {"why", why.text}});
}

std::vector<Problem> SubnetFile::problems() const {
  std::vector<Problem> all;
  if (!failure_.empty()) all.push_back(make_problem(kSubnetFileUnwritable, parts_.path, failure_));
  if (in_place_) {
    all.push_back(make_problem(kSubnetFileInPlace, parts_.path,
                               "it is a mount of its own, or its folder is read-only"));
  }
  return all;
}

Result<void> SubnetFile::try_to_write(const SubnetEnv& env) {
  if (written_ == env) return {};
  const Written how = TRY(write_file_atomically(parts_.path, encode_subnet_env(env), 0644));
  in_place_ = how == Written::in_place;
  if (written_ && written_->mtu != env.mtu) {
    log::warning(
        "the MTU has changed; containers keep theirs until the network that they are in is made "
        "anew: docker0 by a restart of Docker, a network of Docker's by removing it",
        {{"mtu", env.mtu}, {"was", written_->mtu}});
  }
  written_ = env;
  log::info("Wrote subnet file to " + parts_.path, {{"mtu", env.mtu}});
  return {};
}

}  // namespace flannel
