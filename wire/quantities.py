"""The closed list of what can be measured: name, unit, how values combine over time, plausible range, titles.

A quantity is one row. A point names one and may carry its own key: the quantity of `voltage_l1` is `voltage`.

I1. A name is never given another unit or kind; a new meaning is a new row.
I2. The plausible range holds what a working device may truly say anywhere; a value outside is kept and marked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wire.errors import WireError
from wire.own_quantities import COMPUTED, OPERATIONS
from wire.quantity_kind import MANY, QuantityKind, Row

__all__ = ["QUANTITIES", "Quantity", "QuantityKind", "quantity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One row: `unit` is UCUM-like plain text; `minimum` and `maximum` are plausible values in that unit."""

    name: str
    unit: str
    kind: QuantityKind
    minimum: float
    maximum: float
    title: str
    title_vi: str


_G = QuantityKind.GAUGE
_A = QuantityKind.ANGLE
_C = QuantityKind.COUNTER
_T = QuantityKind.TALLY
_S = QuantityKind.STATE
_U32 = 2**32 - 1

_WEATHER: tuple[Row, ...] = (
    ("temperature", "degC", _G, -90, 1300, "Temperature", "Nhiệt độ"),
    ("dew_point", "degC", _G, -100, 100, "Dew point", "Điểm sương"),
    ("felt_temperature", "degC", _G, -100, 100, "Felt temperature", "Nhiệt độ cảm nhận"),
    ("humidity", "%", _G, 0, 100, "Relative humidity", "Độ ẩm tương đối"),
    ("absolute_humidity", "g/m3", _G, 0, 600, "Absolute humidity", "Độ ẩm tuyệt đối"),
    ("pressure", "hPa", _G, 300, 1200, "Air pressure", "Áp suất không khí"),
    ("sea_level_pressure", "hPa", _G, 850, 1100, "Air pressure at sea level", "Áp suất mực nước biển"),
    ("pressure_trend", "1", _S, -128, 255, "Pressure trend", "Xu hướng áp suất"),
    ("differential_pressure", "Pa", _G, -100_000, 100_000, "Differential pressure", "Chênh lệch áp suất"),
    ("wind_speed", "m/s", _G, 0, 120, "Wind speed", "Tốc độ gió"),
    ("wind_gust", "m/s", _G, 0, 150, "Wind gust", "Gió giật"),
    ("wind_direction", "deg", _A, 0, 360, "Wind direction", "Hướng gió"),
    ("wind_force", "1", _G, 0, 17, "Wind force (Beaufort)", "Cấp gió (Beaufort)"),
    ("rain", "mm", _T, 0, 500, "Rain since the record before", "Lượng mưa trong kỳ"),
    ("rain_total", "mm", _C, 0, 1e9, "Rain counted", "Lượng mưa tích lũy"),
    ("rain_rate", "mm/h", _G, 0, 2000, "Rain rate", "Cường độ mưa"),
    ("rain_detected", "1", _S, 0, 1, "Rain detected", "Có mưa"),
    ("precipitation_type", "1", _S, 0, 255, "Kind of precipitation", "Loại giáng thủy"),
    ("snow_depth", "mm", _G, 0, 20_000, "Snow depth", "Độ dày tuyết"),
    ("evapotranspiration", "mm", _G, 0, 10_000, "Evapotranspiration", "Bốc thoát hơi nước"),
    ("solar_radiation", "W/m2", _G, -50, 2000, "Solar radiation", "Bức xạ mặt trời"),
    ("solar_energy", "Wh/m2", _C, 0, 1e9, "Solar energy counted", "Năng lượng bức xạ tích lũy"),
    ("uv_index", "1", _G, 0, 30, "UV index", "Chỉ số UV"),
    ("uv_radiation", "W/m2", _G, 0, 200, "UV radiation", "Bức xạ tử ngoại"),
    ("illuminance", "lx", _G, 0, 250_000, "Illuminance", "Độ rọi"),
    ("daylight", "1", _S, 0, 3, "Night, twilight or day", "Ngày, đêm"),
    ("visibility", "m", _G, 0, 200_000, "Visibility", "Tầm nhìn"),
    ("cloud_height", "m", _G, 0, 25_000, "Cloud height", "Độ cao mây"),
    ("sun_elevation", "deg", _G, -90, 90, "Sun elevation", "Độ cao mặt trời"),
    ("sun_azimuth", "deg", _A, 0, 360, "Sun azimuth", "Phương vị mặt trời"),
    ("sound_speed", "m/s", _G, 250, 450, "Speed of sound", "Tốc độ âm thanh"),
    ("lightning_count", "1", _T, 0, 100_000, "Lightning strokes", "Số lần sét"),
    ("lightning_distance", "m", _G, 0, 100_000, "Distance of lightning", "Khoảng cách sét"),
    ("forecast_code", "1", _S, 0, _U32, "Forecast code", "Mã dự báo"),
    ("road_condition", "1", _S, 0, 65_535, "Road surface condition", "Tình trạng mặt đường"),
    ("water_film", "mm", _G, 0, 100, "Water on the road", "Màng nước mặt đường"),
    ("friction", "1", _G, 0, 1.5, "Road friction", "Hệ số ma sát"),
)

_AIR: tuple[Row, ...] = (
    ("pm1", "ug/m3", _G, 0, 10_000, "PM1", "Bụi PM1"),
    ("pm2_5", "ug/m3", _G, 0, 10_000, "PM2.5", "Bụi PM2.5"),
    ("pm4", "ug/m3", _G, 0, 10_000, "PM4", "Bụi PM4"),
    ("pm10", "ug/m3", _G, 0, 20_000, "PM10", "Bụi PM10"),
    ("tsp", "ug/m3", _G, 0, 100_000, "Total suspended particles", "Tổng bụi lơ lửng"),
    ("particulate_matter", "ug/m3", _G, 0, 100_000, "Particles of a size set on the device", "Bụi theo cỡ đã cài"),
    ("pm1_cf1", "ug/m3", _G, 0, 65_535, "PM1 (factory calibration)", "Bụi PM1 (CF=1)"),
    ("pm2_5_cf1", "ug/m3", _G, 0, 65_535, "PM2.5 (factory calibration)", "Bụi PM2.5 (CF=1)"),
    ("pm10_cf1", "ug/m3", _G, 0, 65_535, "PM10 (factory calibration)", "Bụi PM10 (CF=1)"),
    ("n_0_3", "1/L", _G, 0, 1e8, "Particles above 0.3 um", "Số hạt trên 0,3 um"),
    ("n_0_5", "1/L", _G, 0, 1e8, "Particles above 0.5 um", "Số hạt trên 0,5 um"),
    ("n_1_0", "1/L", _G, 0, 1e8, "Particles above 1 um", "Số hạt trên 1 um"),
    ("n_2_5", "1/L", _G, 0, 1e8, "Particles above 2.5 um", "Số hạt trên 2,5 um"),
    ("n_4_0", "1/L", _G, 0, 1e8, "Particles above 4 um", "Số hạt trên 4 um"),
    ("n_5_0", "1/L", _G, 0, 1e8, "Particles above 5 um", "Số hạt trên 5 um"),
    ("n_10", "1/L", _G, 0, 1e8, "Particles above 10 um", "Số hạt trên 10 um"),
    ("particle_count", "1/L", _G, 0, 1e8, "Particles in a size bin", "Số hạt theo cỡ"),
    ("particle_size", "um", _G, 0, 100, "Typical particle size", "Cỡ hạt điển hình"),
    ("sample_flow", "mL/s", _G, 0, 1000, "Sample flow", "Lưu lượng mẫu"),
    ("co2", "ppm", _G, 0, 100_000, "Carbon dioxide", "CO2"),
    ("co", "ppm", _G, -10, 10_000, "Carbon monoxide", "CO"),
    ("no", "ppb", _G, -100, 50_000, "Nitrogen monoxide", "NO"),
    ("no2", "ppb", _G, -100, 50_000, "Nitrogen dioxide", "NO2"),
    ("nox", "ppb", _G, -100, 100_000, "Nitrogen oxides", "NOx"),
    ("o3", "ppb", _G, -100, 50_000, "Ozone", "O3"),
    ("so2", "ppb", _G, -100, 100_000, "Sulphur dioxide", "SO2"),
    ("h2s", "ppb", _G, -100, 1e6, "Hydrogen sulphide", "H2S"),
    ("nh3", "ppb", _G, -100, 1e6, "Ammonia", "NH3"),
    ("hcn", "ppb", _G, -100, 1e6, "Hydrogen cyanide", "HCN"),
    ("gas_concentration", "ppb", _G, -1e6, 1e7, "Gas set on the device", "Khí theo cài đặt thiết bị"),
    ("formaldehyde", "ppb", _G, 0, 1e5, "Formaldehyde", "HCHO"),
    ("tvoc", "ppb", _G, 0, 1e6, "Volatile organic compounds", "Tổng VOC"),
    ("benzene", "ppb", _G, 0, 1e5, "Benzene", "Benzen"),
    ("co_mass", "ug/m3", _G, -10_000, 1e7, "Carbon monoxide by mass", "CO (khối lượng)"),
    ("no_mass", "ug/m3", _G, -200, 1e5, "Nitrogen monoxide by mass", "NO (khối lượng)"),
    ("no2_mass", "ug/m3", _G, -200, 1e5, "Nitrogen dioxide by mass", "NO2 (khối lượng)"),
    ("o3_mass", "ug/m3", _G, -200, 1e5, "Ozone by mass", "O3 (khối lượng)"),
    ("so2_mass", "ug/m3", _G, -200, 3e5, "Sulphur dioxide by mass", "SO2 (khối lượng)"),
    ("h2s_mass", "ug/m3", _G, -200, 2e6, "Hydrogen sulphide by mass", "H2S (khối lượng)"),
    ("nh3_mass", "ug/m3", _G, -200, 1e6, "Ammonia by mass", "NH3 (khối lượng)"),
    ("formaldehyde_mass", "ug/m3", _G, 0, 1e5, "Formaldehyde by mass", "HCHO (khối lượng)"),
    ("tvoc_mass", "ug/m3", _G, 0, 1e6, "Volatile organic compounds by mass", "Tổng VOC (khối lượng)"),
    ("o2", "%", _G, 0, 100, "Oxygen", "O2"),
    ("ch4", "ppm", _G, 0, 1e6, "Methane", "CH4"),
    ("voc_index", "1", _G, 0, 500, "VOC index", "Chỉ số VOC"),
    ("nox_index", "1", _G, 0, 500, "NOx index", "Chỉ số NOx"),
    ("aqi", "1", _G, 0, 1000, "Air quality index", "Chỉ số chất lượng không khí"),
    ("sound_level", "dB", _G, 0, 200, "Sound level", "Mức ồn"),
)

_WATER_AND_SOIL: tuple[Row, ...] = (
    ("water_level", "m", _G, -1000, 10_000, "Water level", "Mực nước"),
    ("water_flow", "m3/h", _G, -1e8, 1e8, "Water flow", "Lưu lượng nước"),
    ("water_speed", "m/s", _G, -30, 30, "Water speed", "Tốc độ dòng chảy"),
    ("water_volume", "m3", _C, 0, 1e12, "Water counted", "Lượng nước tích lũy"),
    ("line_pressure", "kPa", _G, -101, 100_000, "Pressure in a pipe", "Áp suất đường ống"),
    ("water_detected", "1", _S, 0, 1, "Water detected", "Phát hiện nước"),
    ("ph", "pH", _G, 0, 14, "pH", "Độ pH"),
    ("redox_potential", "mV", _G, -2000, 2000, "Redox potential", "Thế oxy hóa khử"),
    ("dissolved_oxygen", "mg/L", _G, 0, 60, "Dissolved oxygen", "Oxy hòa tan"),
    ("oxygen_saturation", "%", _G, 0, 500, "Oxygen saturation", "Độ bão hòa oxy"),
    ("turbidity", "NTU", _G, 0, 10_000, "Turbidity", "Độ đục"),
    ("conductivity", "uS/cm", _G, 0, 1e6, "Conductivity", "Độ dẫn điện"),
    ("practical_salinity", "1", _G, 0, 50, "Practical salinity", "Độ muối thực hành"),
    ("water_sound_speed", "m/s", _G, 1300, 1700, "Speed of sound in water", "Tốc độ âm thanh trong nước"),
    ("salinity", "mg/L", _G, 0, 500_000, "Salinity", "Độ mặn"),
    ("tds", "mg/L", _G, 0, 500_000, "Dissolved solids", "Tổng chất rắn hòa tan"),
    ("suspended_solids", "mg/L", _G, 0, 500_000, "Suspended solids", "Chất rắn lơ lửng"),
    ("cod", "mg/L", _G, 0, 100_000, "Chemical oxygen demand", "COD"),
    ("bod", "mg/L", _G, 0, 100_000, "Biochemical oxygen demand", "BOD"),
    ("ammonium", "mg/L", _G, 0, 10_000, "Ammonium", "Amoni"),
    ("nitrate", "mg/L", _G, 0, 10_000, "Nitrate", "Nitrat"),
    ("phosphate", "mg/L", _G, 0, 10_000, "Phosphate", "Photphat"),
    ("free_chlorine", "mg/L", _G, 0, 100, "Free chlorine", "Clo dư"),
    ("chlorophyll", "ug/L", _G, 0, 10_000, "Chlorophyll", "Diệp lục"),
    ("blue_green_algae", "1/mL", _G, 0, 1e8, "Blue-green algae cells", "Tế bào tảo lam"),
    ("soil_moisture", "%", _G, 0, 100, "Soil moisture", "Độ ẩm đất"),
    ("soil_tension", "kPa", _G, 0, 1000, "Soil water tension", "Sức căng nước trong đất"),
    ("nitrogen", "mg/kg", _G, 0, 65_535, "Nitrogen in soil", "Đạm trong đất"),
    ("phosphorus", "mg/kg", _G, 0, 65_535, "Phosphorus in soil", "Lân trong đất"),
    ("potassium", "mg/kg", _G, 0, 65_535, "Potassium in soil", "Kali trong đất"),
    ("leaf_wetness", "1", _G, 0, 100, "Leaf wetness", "Độ ướt lá"),
)

_ELECTRICITY: tuple[Row, ...] = (
    ("voltage", "V", _G, -2000, 1e6, "Voltage", "Điện áp"),
    ("current", "A", _G, -1e5, 1e5, "Current", "Dòng điện"),
    ("power", "W", _G, -1e10, 1e10, "Active power", "Công suất tác dụng"),
    ("apparent_power", "VA", _G, -1e10, 1e10, "Apparent power", "Công suất biểu kiến"),
    ("reactive_power", "var", _G, -1e10, 1e10, "Reactive power", "Công suất phản kháng"),
    ("power_factor", "1", _G, -1, 1, "Power factor", "Hệ số công suất"),
    ("phase_angle", "deg", _A, -360, 360, "Phase angle", "Góc pha"),
    ("frequency", "Hz", _G, 0, 1e9, "Frequency", "Tần số"),
    ("distortion", "%", _G, 0, 1000, "Harmonic distortion", "Độ méo hài"),
    ("energy", "Wh", _C, -MANY, MANY, "Energy", "Điện năng"),
    ("energy_import", "Wh", _C, 0, MANY, "Energy taken", "Điện năng nhận"),
    ("energy_export", "Wh", _C, 0, MANY, "Energy given", "Điện năng phát"),
    ("apparent_energy", "VAh", _C, 0, MANY, "Apparent energy", "Điện năng biểu kiến"),
    ("reactive_energy", "varh", _C, -MANY, MANY, "Reactive energy", "Điện năng phản kháng"),
    ("reactive_energy_import", "varh", _C, 0, MANY, "Reactive energy taken", "Điện năng phản kháng nhận"),
    ("reactive_energy_export", "varh", _C, 0, MANY, "Reactive energy given", "Điện năng phản kháng phát"),
    ("demand", "W", _G, -1e10, 1e10, "Power demand", "Nhu cầu công suất"),
    ("efficiency", "%", _G, 0, 150, "Efficiency", "Hiệu suất"),
    ("load_ratio", "%", _G, 0, 1000, "Load", "Mức tải"),
    ("resistance", "Ohm", _G, 0, 1e12, "Resistance", "Điện trở"),
    ("supply_voltage", "V", _G, -100, 1000, "Supply voltage of the device", "Điện áp nguồn thiết bị"),
    ("battery_voltage", "V", _G, 0, 2000, "Battery voltage", "Điện áp ắc quy"),
    ("battery_current", "A", _G, -10_000, 10_000, "Battery current", "Dòng ắc quy"),
    ("battery_power", "W", _G, -1e8, 1e8, "Battery power", "Công suất ắc quy"),
    ("cell_voltage", "V", _G, 0, 10, "Cell voltage", "Điện áp ngăn"),
    ("cell_count", "1", _S, 0, 1000, "Cells", "Số ngăn"),
    ("state_of_charge", "%", _G, 0, 100, "State of charge", "Mức sạc"),
    ("state_of_health", "%", _G, 0, 120, "State of health", "Tình trạng ắc quy"),
    ("charge", "Ah", _G, -1e6, 1e6, "Charge", "Điện lượng"),
    ("charge_cycles", "1", _C, 0, 1e7, "Charge cycles", "Số chu kỳ sạc"),
    ("charge_state", "1", _S, 0, _U32, "Charger state", "Trạng thái sạc"),
    ("pv_voltage", "V", _G, -10, 2000, "Panel voltage", "Điện áp tấm pin"),
    ("pv_current", "A", _G, -100, 10_000, "Panel current", "Dòng tấm pin"),
    ("pv_power", "W", _G, -1000, 1e9, "Panel power", "Công suất tấm pin"),
    ("ups_state", "1", _S, 0, _U32, "State of the UPS", "Trạng thái UPS"),
)

_TRAFFIC: tuple[Row, ...] = (
    ("vehicle_speed", "km/h", _G, -400, 400, "Vehicle speed", "Tốc độ xe"),
    ("mean_speed", "km/h", _G, 0, 400, "Mean speed", "Tốc độ trung bình"),
    ("speed_85", "km/h", _G, 0, 400, "85 % speed", "Tốc độ 85 %"),
    ("vehicle_count", "1", _T, 0, 100_000, "Vehicles", "Số xe"),
    ("vehicle_counter", "1", _C, 0, MANY, "Vehicles counted", "Số xe tích lũy"),
    ("traffic_flow", "1/h", _G, 0, 100_000, "Traffic flow", "Lưu lượng xe"),
    ("occupancy", "%", _G, 0, 100, "Occupancy", "Độ chiếm dụng"),
    ("vehicle_class", "1", _S, 0, 255, "Vehicle class", "Loại xe"),
    ("vehicle_length", "m", _G, 0, 200, "Vehicle length", "Chiều dài xe"),
    ("vehicle_weight", "kg", _G, 0, 1e6, "Vehicle weight", "Tải trọng xe"),
    ("lane", "1", _S, 0, 255, "Lane", "Làn"),
    ("direction", "1", _S, -128, 255, "Direction of travel", "Chiều đi"),
    ("headway", "s", _G, 0, 1e6, "Headway", "Giãn cách thời gian"),
    ("gap", "s", _G, 0, 1e6, "Gap", "Khoảng trống thời gian"),
    ("queue_length", "m", _G, 0, 100_000, "Queue", "Chiều dài hàng chờ"),
    ("target_count", "1", _G, 0, 10_000, "Targets in view", "Số mục tiêu"),
    ("target_number", "1", _S, 0, _U32, "Number of the target", "Số hiệu mục tiêu"),
    ("amplitude", "1", _G, -1e9, 1e9, "Echo strength", "Cường độ phản xạ"),
    ("signal_phase", "1", _S, 0, 255, "Traffic light phase", "Pha đèn tín hiệu"),
    ("presence", "1", _S, 0, 255, "Presence", "Có vật thể"),
    ("people_count", "1", _T, 0, 1e6, "People", "Số người"),
)

_PLACE_AND_MOTION: tuple[Row, ...] = (
    ("latitude", "deg", _G, -90, 90, "Latitude", "Vĩ độ"),
    ("longitude", "deg", _G, -180, 180, "Longitude", "Kinh độ"),
    ("altitude", "m", _G, -12_000, 100_000, "Altitude", "Độ cao"),
    ("ground_speed", "km/h", _G, 0, 2000, "Speed over ground", "Tốc độ di chuyển"),
    ("velocity", "m/s", _G, -1000, 1000, "Velocity along an axis", "Vận tốc theo trục"),
    ("course", "deg", _A, 0, 360, "Course over ground", "Hướng di chuyển"),
    ("heading", "deg", _A, 0, 360, "Heading", "Hướng mũi"),
    ("satellites", "1", _G, 0, 200, "Satellites used", "Số vệ tinh"),
    ("dilution", "1", _G, 0, 100, "Dilution of precision", "Độ suy giảm chính xác"),
    ("fix_type", "1", _S, 0, 255, "Kind of position fix", "Loại định vị"),
    ("accuracy", "m", _G, 0, 1e8, "Accuracy of the position", "Độ chính xác vị trí"),
    ("time_accuracy", "s", _G, 0, 1e7, "Accuracy of the time", "Độ chính xác thời gian"),
    ("distance", "m", _G, -1e6, 1e6, "Distance", "Khoảng cách"),
    ("length", "m", _G, -1e6, 1e6, "Length", "Chiều dài"),
    ("angle", "deg", _A, -360, 360, "Angle", "Góc"),
    ("tilt", "deg", _G, -180, 180, "Tilt", "Độ nghiêng"),
    ("acceleration", "m/s2", _G, -1e5, 1e5, "Acceleration", "Gia tốc"),
    ("vibration", "mm/s", _G, 0, 1e5, "Vibration", "Độ rung"),
    ("weight", "kg", _G, -1e6, 1e9, "Weight", "Khối lượng"),
)

_CAMERA: tuple[Row, ...] = (
    ("picture_brightness", "%", _G, 0, 100, "Picture brightness", "Độ sáng hình"),
    ("picture_contrast", "%", _G, 0, 100, "Picture contrast", "Độ tương phản hình"),
    ("picture_sharpness", "1", _G, 0, 1e9, "Picture sharpness", "Độ nét hình"),
    ("picture_motion", "%", _G, 0, 100, "Motion in the picture", "Chuyển động trong hình"),
    ("picture_shift", "%", _G, 0, 100, "Camera moved", "Camera bị dịch"),
    ("picture_age", "s", _G, 0, 1e9, "Age of the picture", "Tuổi của hình"),
    ("picture_bytes", "By", _G, 0, 1e10, "Size of the picture", "Dung lượng hình"),
    ("picture_state", "1", _S, 0, 255, "Picture health", "Tình trạng hình"),
    ("frame_rate", "Hz", _G, 0, 1000, "Frame rate", "Tốc độ khung hình"),
    ("crossings", "1", _T, 0, 1e6, "Crossings of a line", "Số lượt qua vạch"),
    ("object_count", "1", _G, 0, 1e6, "Objects in the picture", "Số vật thể trong hình"),
)

_GENERAL: tuple[Row, ...] = (
    ("state", "1", _S, -_U32, _U32, "State", "Trạng thái"),
    ("status", "1", _S, 0, MANY, "Status word", "Từ trạng thái"),
    ("alarm", "1", _S, 0, MANY, "Alarm", "Cảnh báo"),
    ("error_code", "1", _S, -_U32, MANY, "Error code", "Mã lỗi"),
    ("digital_input", "1", _S, 0, _U32, "Digital input", "Ngõ vào số"),
    ("relay", "1", _S, 0, _U32, "Relay", "Rơ le"),
    ("setting", "1", _S, -MANY, MANY, "Setting", "Cài đặt"),
    ("counter", "1", _C, 0, MANY, "Counter", "Bộ đếm"),
    ("pulse_count", "1", _C, 0, MANY, "Pulses counted", "Số xung tích lũy"),
    ("count", "1", _T, 0, MANY, "Count since the record before", "Số đếm trong kỳ"),
    ("number", "1", _G, -MANY, MANY, "Number", "Giá trị"),
    ("ratio", "%", _G, -1000, 1000, "Ratio", "Tỷ lệ"),
    ("level", "%", _G, 0, 100, "Level", "Mức"),
    ("duration", "s", _G, 0, 1e10, "Duration", "Thời lượng"),
    ("runtime_remaining", "s", _G, 0, 1e9, "Time left", "Thời gian còn lại"),
    ("uptime", "s", _C, 0, 1e10, "Running since start", "Thời gian hoạt động"),
    ("operating_time", "s", _C, 0, 1e11, "Operating time", "Tổng thời gian vận hành"),
    ("clock_offset", "s", _G, -1e10, 1e10, "Clock difference", "Lệch đồng hồ"),
    ("signal_strength", "dBm", _G, -200, 50, "Signal strength", "Cường độ tín hiệu"),
    ("link_quality", "%", _G, 0, 100, "Link quality", "Chất lượng kết nối"),
    ("latency", "s", _G, 0, 1e6, "Latency", "Độ trễ"),
    ("packets", "1", _C, 0, MANY, "Packets counted", "Số gói tin"),
    ("errors", "1", _C, 0, MANY, "Errors counted", "Số lỗi"),
    ("processor_load", "%", _G, 0, 100, "Processor load", "Tải bộ xử lý"),
    ("memory_used", "%", _G, 0, 100, "Memory used", "Bộ nhớ đã dùng"),
    ("storage_used", "%", _G, 0, 100, "Storage used", "Lưu trữ đã dùng"),
    ("fan_speed", "1/min", _G, 0, 200_000, "Fan speed", "Tốc độ quạt"),
    ("door", "1", _S, 0, 1, "Door open", "Cửa mở"),
)

_ROWS = (
    *_WEATHER,
    *_AIR,
    *_WATER_AND_SOIL,
    *_ELECTRICITY,
    *_TRAFFIC,
    *_PLACE_AND_MOTION,
    *_CAMERA,
    *_GENERAL,
    *OPERATIONS,
    *COMPUTED,
)

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        name: Quantity(
            name=name, unit=unit, kind=kind, minimum=minimum, maximum=maximum, title=title, title_vi=title_vi
        )
        for name, unit, kind, minimum, maximum, title, title_vi in _ROWS
    }
)


def quantity(name: str) -> Quantity:
    """The row of this name.

    Raises:
        WireError: there is none.
    """
    try:
        return QUANTITIES[name]
    except KeyError:
        raise WireError(
            f"quantity {name!r}: not in the list; add a row to wire/quantities.py or use one there"
        ) from None
