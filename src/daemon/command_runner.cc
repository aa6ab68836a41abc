// SPDX-License-Identifier: Apache-2.0
#include "daemon/command_runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "backend/extension.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/printable.h"
#include "base/problem_kinds.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestRecord = 64U << 20;  // bytes; a peer has some hundreds
constexpr std::size_t kMostShown = 300;            // bytes of what a command has printed

// The end of what the command has printed, in one line: programs say last why they give up.
std::string last_words(const ShellEnd& end) {
  const std::string_view errors = trim(end.errors);
  std::string_view words = errors.empty() ? trim(end.output) : errors;
  const bool is_long = words.size() > kMostShown;
  if (is_long) words.remove_prefix(words.size() - kMostShown);
  return (is_long ? "..." : "") + printable(words);
}

// Empty: the command succeeded.
std::string failure_of(const ShellEnd& end) {
  if (end.failure.empty()) return {};
  const std::string words = last_words(end);
  return words.empty() ? end.failure : fmt::format("{}: {}", end.failure, words);
}

}  // namespace

CommandRunner::CommandRunner(CommandSettings settings, Parts parts)
    : settings_(std::move(settings)), parts_(std::move(parts)) {
  peers_.set_commands(settings_.commands);
}

CommandRunner::CommandRunner(const CommandRecord& record, Parts parts)
    : CommandRunner(CommandSettings{.commands = record.commands, .deadline = record.deadline},
                    std::move(parts)) {
  output_ = record.output;
  done_ = record.variables;
  peers_.adopt(record.commands, record.peers);
}

CommandRunner::~CommandRunner() {
  if (save_.armed()) save();
}

PeerCommands::Parts CommandRunner::peer_parts() {
  return {.loop = parts_.loop,
          .run = [this](const std::string& command, const CommandPeer& peer,
                        PeerCommands::Done done) -> Result<SubscriptionPtr> {
            return parts_.host.run_command(
                {.command = command,
                 .variables = peer.variables,
                 .input = peer.input + "\n",
                 .deadline = settings_.deadline},
                [done = std::move(done)](const ShellEnd& end) { done(failure_of(end)); });
          },
          .on_state = [this] { on_peers(); }};
}

std::optional<CommandRecord> CommandRunner::read_record(Host& host) {
  const CommandPlace place = host.command_place();
  if (place.where.empty()) return std::nullopt;
  const auto text = read_file(place.file, kLongestRecord);
  if (!text && text.error().kind == ErrorKind::not_found) return std::nullopt;
  auto record = text ? decode_command_record(*text) : tl::unexpected(text.error());
  if (!record) {
    log::warning("what the commands of the extension backend have done is not known",
                 {{"file", place.file}, {"why", record.error().text}});
    return std::nullopt;
  }
  if (record->where != place.where) return std::nullopt;
  return *std::move(record);
}

void CommandRunner::start() {
  if (auto record = read_record(parts_.host)) {
    const BackendCommands& there = record->commands;
    const BackendCommands& ours = settings_.commands;
    kept_ = record;
    if (there.before_lease == ours.before_lease && there.after_lease == ours.after_lease) {
      output_ = std::move(record->output);
      done_ = std::move(record->variables);
    }
    peers_.adopt(there, record->peers);
    if (!output_) peers_.redo();
  }
  step();
}

void CommandRunner::reconfigure(const CommandSettings& settings) {
  const BackendCommands former = std::exchange(settings_, settings).commands;
  const BackendCommands& next = settings_.commands;
  if (former == next || withdraws_) return;
  pauses_.reset();
  if (former.before_lease != next.before_lease) output_.reset();
  if (former.before_lease != next.before_lease || former.after_lease != next.after_lease) {
    done_.clear();
    failure_.clear();
    running_.reset();
    peers_.redo();
  }
  peers_.set_commands(next);
  step();
}

void CommandRunner::set_lease(std::vector<std::string> variables, std::vector<CommandPeer> peers) {
  if (withdraws_) return;
  const bool before = in_place();
  const bool is_same = wanted_ == variables;
  wanted_ = std::move(variables);
  peers_.set_wanted(std::move(peers));
  if (parts_.loop.now() - saved_ >= kSavePause) {
    save();
  } else {
    save_soon();
  }
  if (!is_same || !retry_.armed()) step();
  if (in_place() != before) parts_.on_state();
}

void CommandRunner::replay() {
  if (withdraws_) return;
  peers_.replay();
  if (!failure_.empty()) step();
}

void CommandRunner::step() {
  if (withdraws_) return step_withdrawal();
  if (!in_place()) peers_.pause();
  if (running_) return;
  retry_.cancel();
  if (!output_) return run_before_lease();
  if (wanted_.empty()) return;
  if (wanted_ != done_) return run_after_lease();
  peers_.go_on();
}

// Runs a command of this host, and tries again while it fails.
void CommandRunner::run(std::string_view name, const std::string& command, Ended succeeded) {
  const auto failed = [this, name](const std::string& why) {
    failure_ = fmt::format("{}: {}", name, why);
    retry_.arm_after(pauses_.next());
    parts_.on_state();
  };
  auto running = parts_.host.run_command(
      {.command = command, .variables = wanted_, .input = "\n", .deadline = settings_.deadline},
      [this, failed, succeeded = std::move(succeeded)](const ShellEnd& end) {
        running_.reset();
        if (withdraws_) return step();
        if (const std::string why = failure_of(end); !why.empty()) return failed(why);
        succeeded(end);
      });
  if (!running) return failed(running.error().text);
  running_ = *std::move(running);
}

void CommandRunner::run_before_lease() {
  const auto succeeded = [this](const ShellEnd& end) {
    auto text = end.is_cut ? fail(ErrorKind::invalid, "its output is too long for a lease")
                           : announced_text(end.output);
    if (!text) {
      failure_ = "PreStartupCommand: " + text.error().text;
      retry_.arm_after(pauses_.next());
      return parts_.on_state();
    }
    output_ = *std::move(text);
    failure_.clear();
    pauses_.reset();
    save();
    parts_.on_state();
    step();
  };
  if (settings_.commands.before_lease.empty()) return succeeded({});
  log::info("running PreStartupCommand of the extension backend");
  run("PreStartupCommand", settings_.commands.before_lease, succeeded);
}

void CommandRunner::run_after_lease() {
  const auto succeeded = [this, with = wanted_](const ShellEnd&) {
    done_ = with;
    failure_.clear();
    pauses_.reset();
    save();
    step();
    parts_.on_state();
  };
  if (settings_.commands.after_lease.empty()) return succeeded({});
  log::info("running PostStartupCommand of the extension backend");
  run("PostStartupCommand", settings_.commands.after_lease, succeeded);
}

void CommandRunner::withdraw(std::function<void()> done) {
  withdrawn_ = std::move(done);
  if (std::exchange(withdraws_, true)) return;
  parts_.on_state = [] {};
  retry_.cancel();
  peers_.set_wanted({});
  step();
}

void CommandRunner::step_withdrawal() {
  if (running_) return;
  peers_.go_on();
  if (!peers_.is_empty()) return;
  const std::string& command = settings_.commands.shutdown;
  if (!output_ || command.empty()) return end_withdrawal();
  output_.reset();
  forget_record();  // a run that finds it would take the commands of the start as done
  auto running = parts_.host.run_command(
      {.command = command, .variables = done_, .input = "\n", .deadline = settings_.deadline},
      [this](const ShellEnd& end) {
        running_.reset();
        if (const std::string why = failure_of(end); !why.empty()) {
          log::warning("ShutdownCommand fails; what it is to remove stays", {{"why", why}});
        }
        end_withdrawal();
      });
  if (!running) return end_withdrawal();
  running_ = *std::move(running);
}

// This must be the last statement: the receiver may destroy this object.
void CommandRunner::end_withdrawal() {
  forget_record();
  if (const auto done = std::exchange(withdrawn_, nullptr)) done();
}

void CommandRunner::forget_record() {
  save_.cancel();
  const CommandPlace place = parts_.host.command_place();
  if (!place.file.empty()) ::unlink(place.file.c_str());
}

void CommandRunner::on_peers() {
  save_soon();
  if (withdraws_ && peers_.is_empty()) {
    retry_.arm(parts_.loop.now());  // another turn: this is within a call of a peer's
  } else {
    parts_.on_state();
  }
}

void CommandRunner::save_soon() {
  if (!save_.armed()) save_.arm_after(kSavePause);
}

void CommandRunner::save() {
  save_.cancel();
  saved_ = parts_.loop.now();
  const CommandPlace place = parts_.host.command_place();
  if (!output_ || place.file.empty() || place.where.empty()) return;
  CommandRecord record{.where = place.where,
                       .commands = settings_.commands,
                       .deadline = settings_.deadline,
                       .output = *output_,
                       .variables = done_,
                       .peers = peers_.record()};
  if (kept_ == record) return;
  kept_.reset();
  const auto written = write_file_atomically(place.file, encode_command_record(record), 0600);
  if (written) {
    kept_ = std::move(record);
    return;
  }
  log::warning("what the commands have done is not kept: the next start runs all of them again",
               {{"file", place.file}, {"why", written.error().text}});
}

void CommandRunner::append_problems(std::vector<Problem>& all) const {
  if (!failure_.empty()) all.push_back(make_problem(kStartupCommandFails, "", failure_));
  peers_.append_problems(all);
}

}  // namespace flannel
