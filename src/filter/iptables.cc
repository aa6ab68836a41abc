// SPDX-License-Identifier: Apache-2.0
#include "filter/iptables.h"

#include <cassert>
#include <filesystem>
#include <utility>

#include "filter/program.h"

namespace flannel {

std::string program_name(IptablesKind kind, Family family) {
  const std::string name = family == Family::v4 ? "iptables" : "ip6tables";
  switch (kind) {
    case IptablesKind::system:
      return name;
    case IptablesKind::nft:
      return name + "-nft";
    case IptablesKind::legacy:
      return name + "-legacy";
  }
  return {};
}

Result<std::unique_ptr<Iptables>> Iptables::find(IptablesKind kind, Family family, Loop& loop) {
  std::string name = program_name(kind, family);
  auto save = find_program(name + "-save");
  auto restore = find_program(name + "-restore");
  if (!save || !restore) {
    return fail(ErrorKind::not_found, name + "-save and -restore are not installed");
  }
  return std::unique_ptr<Iptables>(
      new Iptables(std::move(name), *std::move(save), *std::move(restore), loop));
}

Iptables::Iptables(std::string name, std::string save, std::string restore, Loop& loop)
    : name_(std::move(name)), save_(std::move(save)), restore_(std::move(restore)), loop_(loop) {
  std::error_code failed;
  program_ = std::filesystem::canonical(save_, failed).string();
  if (failed) program_ = save_;
}

bool Iptables::is_legacy() const {
  // Releases with only one iptables have neither word in the name of the program.
  return program_.find("nft") == std::string::npos;
}

void Iptables::save(Reply<std::string> reply) {
  start({save_}, {}, std::move(reply));
}

void Iptables::restore(std::string text, Reply<void> reply) {
  start({restore_, "--noflush", "--wait"}, std::move(text),
        [reply = std::move(reply)](const Result<std::string>& done) {
          if (!done) return reply(Failure(done.error()));
          reply({});
        });
}

void Iptables::start(std::vector<std::string> words, std::string input, Reply<std::string> reply) {
  assert(!busy());
  auto running = run_program(loop_, {.words = std::move(words), .input = std::move(input)},
                             [this, reply](Result<std::string> done) {
                               // Lives to the end of this call, which it makes.
                               const SubscriptionPtr ended = std::move(running_);
                               reply(std::move(done));
                             });
  if (running) {
    running_ = *std::move(running);
    return;
  }
  running_ = loop_.at(loop_.now(), [this, reply, error = running.error()] {
    const SubscriptionPtr ended = std::move(running_);
    reply(Failure(error));
  });
}

}  // namespace flannel
