// Stands in for CUDA's header of this name: products of small matrices by a whole warp. Each lane
// holds elements lane, lane + 32, ... of a fragment, row by row; CUDA leaves open which.
#pragma once

#include <cuda_bf16.h>

#include <algorithm>
#include <type_traits>

#include "cuda_emulator/kernel_side.h"

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32;
}

/// What CUDA rounds to before a TF32 product: 10 bits behind the point, ties away from zero.
inline float __float_to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000U) == 0x7f800000U) return value;
  return std::bit_cast<float>((bits + 0x1000U) & ~0x1fffU);
}

template <class T>
struct Storage {
  using type = T;
};
template <>
struct Storage<precision::tf32> {
  using type = float;
};

/// What an element counts for in a product. The tensor cores do not look at the last 13 bits of a
/// float, whether it has been rounded or not.
template <class T>
float seen_by_product(typename Storage<T>::type value) {
  if constexpr (std::is_same_v<T, precision::tf32>) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & ~0x1fffU);
  } else {
    return static_cast<float>(value);
  }
}

template <class Use, int m, int n, int k, class T, class Layout = void>
struct fragment {
  static constexpr bool kIsA = std::is_same_v<Use, matrix_a>;
  static constexpr bool kIsB = std::is_same_v<Use, matrix_b>;
  static constexpr int kRows = kIsB ? k : m;
  static constexpr int kColumns = kIsA ? k : n;
  static constexpr int num_elements = kRows * kColumns / 32;
  static_assert((std::is_same_v<T, precision::tf32> && m == 16 && n == 16 && k == 8) ||
                    (std::is_same_v<T, __nv_bfloat16> && m * n * k == 4096 && k == 16) ||
                    (std::is_same_v<T, float> && std::is_same_v<Use, accumulator>),
                "shapes that the tensor cores have");

  using element_type = typename Storage<T>::type;
  element_type x[num_elements];
};

template <class Use, int m, int n, int k, class T, class Layout>
void fill_fragment(fragment<Use, m, n, k, T, Layout>& to, typename Storage<T>::type value) {
  for (auto& element : to.x) element = value;
}

/// Calls body(element of the fragment, place in memory) for each element that this lane holds.
template <class Fragment, class Body>
void for_elements(Fragment& of, bool row_by_row, unsigned stride, const Body& body) {
  for (int i = 0; i < Fragment::num_elements; ++i) {
    const auto place = static_cast<unsigned>(i * 32 + cuda_emulator::lane());
    const unsigned row = place / Fragment::kColumns;
    const unsigned column = place % Fragment::kColumns;
    body(of.x[i], row_by_row ? row * stride + column : column * stride + row);
  }
}

template <class Use, int m, int n, int k, class T, class Layout, class U>
void load_matrix_sync(fragment<Use, m, n, k, T, Layout>& to, const U* from, unsigned stride,
                      cuda_emulator::Where where = cuda_emulator::Where::current()) {
  __syncwarp(0xffffffffU, where);
  for_elements(to, std::is_same_v<Layout, row_major>, stride,
               [&](auto& element, unsigned place) { element = from[place]; });
}
template <int m, int n, int k, class T>
void load_matrix_sync(fragment<accumulator, m, n, k, T>& to, const T* from, unsigned stride,
                      layout_t layout,
                      cuda_emulator::Where where = cuda_emulator::Where::current()) {
  __syncwarp(0xffffffffU, where);
  for_elements(to, layout == mem_row_major, stride,
               [&](auto& element, unsigned place) { element = from[place]; });
}
template <int m, int n, int k, class T>
void store_matrix_sync(T* to, const fragment<accumulator, m, n, k, T>& from, unsigned stride,
                       layout_t layout,
                       cuda_emulator::Where where = cuda_emulator::Where::current()) {
  __syncwarp(0xffffffffU, where);
  for_elements(from, layout == mem_row_major, stride,
               [&](const auto& element, unsigned place) { to[place] = element; });
}

template <class D, class A, class B, class C>
struct Product {
  D* d;
  const A* a;
  const B* b;
  const C* c;
};

template <class Fragment>
auto& element_of(Fragment* const (&lanes)[32], int row, int column) {
  const int place = row * Fragment::kColumns + column;
  return lanes[place % 32]->x[place / 32];
}

template <int m, int n, int k, class T, class ALayout, class BLayout>
void mma_sync(fragment<accumulator, m, n, k, float>& d,
              const fragment<matrix_a, m, n, k, T, ALayout>& a,
              const fragment<matrix_b, m, n, k, T, BLayout>& b,
              const fragment<accumulator, m, n, k, float>& c,
              cuda_emulator::Where where = cuda_emulator::Where::current()) {
  using A = fragment<matrix_a, m, n, k, T, ALayout>;
  using B = fragment<matrix_b, m, n, k, T, BLayout>;
  using C = fragment<accumulator, m, n, k, float>;
  using Own = Product<C, A, B, C>;
  Own own = {&d, &a, &b, &c};
  cuda_emulator::warp_collective(
      "mma_sync", 0xffffffffU, &own,
      [](const cuda_emulator::Lanes& lanes) {
        float left[m][k];
        float right[k][n];
        float sum[m][n];
        const A* as[32];
        const B* bs[32];
        const C* cs[32];
        C* ds[32];
        for (int i = 0; i < 32; ++i) {
          const auto& product = *static_cast<const Own*>(lanes.data[i]);
          as[i] = product.a;
          bs[i] = product.b;
          cs[i] = product.c;
          ds[i] = product.d;
        }
        for (int i = 0; i < m; ++i) {
          for (int l = 0; l < k; ++l) left[i][l] = seen_by_product<T>(element_of(as, i, l));
          for (int j = 0; j < n; ++j) sum[i][j] = element_of(cs, i, j);
        }
        for (int l = 0; l < k; ++l) {
          for (int j = 0; j < n; ++j) right[l][j] = seen_by_product<T>(element_of(bs, l, j));
        }
        for (int i = 0; i < m; ++i) {
          for (int l = 0; l < k; ++l) {
            for (int j = 0; j < n; ++j) sum[i][j] += left[i][l] * right[l][j];
          }
          for (int j = 0; j < n; ++j) element_of(ds, i, j) = sum[i][j];
        }
      },
      where);
}

}  // namespace nvcuda::wmma
