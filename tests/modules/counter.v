// A small design for yosys: a counter with an enable, and a comparison.
module counter (input clk, input reset, input enable, input [7:0] limit, output reg [7:0] count, output full);
  assign full = count == limit;
  always @(posedge clk)
    if (reset) count <= 0;
    else if (enable && !full) count <= count + 1;
endmodule
