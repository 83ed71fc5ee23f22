#pragma once

#include <torch/optim.h>

#include <tuple>

/// The fields of LibTorch's optimizers: `tensors` and `counters` of a parameter, `options` of a
/// group of parameters. Each function calls `f` with every field. An optimizer that is missing here
/// cannot be tracked.
namespace cardswap::optimizer_fields {

template <class F>
void tensors(torch::optim::SGDParamState& s, F f) {
  f("momentum_buffer", s.momentum_buffer());
}
template <class F>
void tensors(torch::optim::AdamParamState& s, F f) {
  f("exp_avg", s.exp_avg());
  f("exp_avg_sq", s.exp_avg_sq());
  f("max_exp_avg_sq", s.max_exp_avg_sq());
}
template <class F>
void tensors(torch::optim::AdamWParamState& s, F f) {
  f("exp_avg", s.exp_avg());
  f("exp_avg_sq", s.exp_avg_sq());
  f("max_exp_avg_sq", s.max_exp_avg_sq());
}
template <class F>
void tensors(torch::optim::RMSpropParamState& s, F f) {
  f("square_avg", s.square_avg());
  f("momentum_buffer", s.momentum_buffer());
  f("grad_avg", s.grad_avg());
}
template <class F>
void tensors(torch::optim::AdagradParamState& s, F f) {
  f("sum", s.sum());
}

template <class F>
void counters(torch::optim::SGDParamState&, F) {}
template <class State, class F>
void counters(State& s, F f) {
  f(s.step());
}

template <class F>
void options(torch::optim::SGDOptions& o, F f) {
  f(o.lr());
  f(o.momentum());
  f(o.dampening());
  f(o.weight_decay());
  f(o.nesterov());
}
template <class Options, class F>
void adam_options(Options& o, F f) {
  f(o.lr());
  f(std::get<0>(o.betas()));
  f(std::get<1>(o.betas()));
  f(o.eps());
  f(o.weight_decay());
  f(o.amsgrad());
}
template <class F>
void options(torch::optim::AdamOptions& o, F f) {
  adam_options(o, f);
}
template <class F>
void options(torch::optim::AdamWOptions& o, F f) {
  adam_options(o, f);
}
template <class F>
void options(torch::optim::RMSpropOptions& o, F f) {
  f(o.lr());
  f(o.alpha());
  f(o.eps());
  f(o.weight_decay());
  f(o.momentum());
  f(o.centered());
}
template <class F>
void options(torch::optim::AdagradOptions& o, F f) {
  f(o.lr());
  f(o.lr_decay());
  f(o.weight_decay());
  f(o.initial_accumulator_value());
  f(o.eps());
}

}  // namespace cardswap::optimizer_fields
